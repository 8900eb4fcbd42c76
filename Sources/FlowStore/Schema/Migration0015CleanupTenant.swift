extension StoreSchema {
    /// What the current clean-up, or the last one, has removed of each tenant, which is all that a tenant sees of it.
    static let cleanupTenantMigration = """
        CREATE TABLE flowstate.cleanup_tenant (
            tenant text COLLATE "C" PRIMARY KEY,
            started_at timestamptz NOT NULL,
            counts bigint[] NOT NULL
        );
        COMMENT ON TABLE flowstate.cleanup_tenant IS 'what the clean-up of cleanup_run has removed of a tenant';
        COMMENT ON COLUMN flowstate.cleanup_tenant.started_at IS 'the clean-up: cleanup_run.started_at';
        COMMENT ON COLUMN flowstate.cleanup_tenant.counts IS 'see cleanup_run.counts';
        """
}
