extension StoreSchema {
    /// States that recovery replaced. A row pins its version against pruning, as a checkpoint does: nothing is copied, since versions never
    /// change.
    static let quarantineMigration = """
        CREATE TABLE flowstate.quarantine (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            quarantine_id text COLLATE "C" NOT NULL,
            version bigint NOT NULL,
            reason text NOT NULL,
            violations bytea NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, flow_id, quarantine_id)
        );
        COMMENT ON TABLE flowstate.quarantine IS 'versions that recovery replaced, and what was wrong with them';
        COMMENT ON COLUMN flowstate.quarantine.quarantine_id IS 'UUIDv7: the order of ids is the order of making';
        COMMENT ON COLUMN flowstate.quarantine.violations IS 'JSON';
        CREATE INDEX quarantine_tenant ON flowstate.quarantine (tenant, quarantine_id);
        CREATE INDEX quarantine_version ON flowstate.quarantine (tenant, flow_id, version);
        """
}
