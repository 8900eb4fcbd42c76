extension StoreSchema {
    /// Where the present life of a flow begins: a flow that was deleted and revived goes on with its next number, but versions are found by
    /// their labels among those since then only.
    static let livesMigration = """
        ALTER TABLE flowstate.flow ADD COLUMN first_version bigint NOT NULL DEFAULT 1;
        COMMENT ON COLUMN flowstate.flow.first_version IS 'the version with which the flow was created, or revived last';
        """
}
