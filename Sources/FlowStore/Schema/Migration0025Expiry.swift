extension StoreSchema {
    /// When flows end by themselves. Both columns are NULL in a flow that stays, which adds nothing to its row; the index has only flows that
    /// end, so saves of the others stay HOT.
    static let expiryMigration = """
        ALTER TABLE flowstate.flow ADD COLUMN ttl_ms bigint, ADD COLUMN expires_at timestamptz;
        COMMENT ON COLUMN flowstate.flow.ttl_ms IS 'how long after its last save it ends, in milliseconds';
        COMMENT ON COLUMN flowstate.flow.expires_at IS 'when it is deleted';
        CREATE INDEX flow_expires ON flowstate.flow (expires_at) WHERE expires_at IS NOT NULL;
        """
}
