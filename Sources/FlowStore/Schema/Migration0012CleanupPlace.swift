extension StoreSchema {
    /// The current meaning of the columns of the one row: a pass continues where the last one stopped.
    static let cleanupPlaceMigration = """
        COMMENT ON COLUMN flowstate.cleanup_run.tenant IS
            'how far it has come: the next pass begins behind this flow, or at the first when both are empty';
        COMMENT ON COLUMN flowstate.cleanup_run.flow_id IS 'see tenant';
        COMMENT ON COLUMN flowstate.cleanup_run.counts IS
            'removed: versions, flows, ended flows, checkpoints, quarantined, events, idempotency records, bytes; flows passed over';
        """
}
