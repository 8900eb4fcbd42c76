extension StoreSchema {
    /// For clean-ups: an index of deleted flows, and a record of the server that is cleaning up.
    ///
    /// - The index holds deleted flows that still have their history. A save changes none of its columns, so updates of heads stay HOT.
    ///   Creating it counts the rows of `flow` again, so an empty table gets its first statistics once more.
    /// - `cleanup_run` has one row at most. Its holder renews the claim before `claimed_until`; else another server takes over.
    static let retentionMigration = """
        ALTER TABLE flowstate.flow ADD COLUMN history_gone boolean NOT NULL DEFAULT false;
        COMMENT ON COLUMN flowstate.flow.history_gone IS 'deleted, and nothing is left of it but this row and its tombstone';
        CREATE INDEX flow_deleted ON flowstate.flow (tenant, deleted_at, flow_id) WHERE deleted_at IS NOT NULL AND NOT history_gone;
        CREATE TABLE flowstate.cleanup_run (
            id smallint PRIMARY KEY CHECK (id = 1),
            holder text NOT NULL,
            claimed_until timestamptz NOT NULL,
            started_at timestamptz NOT NULL,
            finished_at timestamptz,
            tenant text NOT NULL DEFAULT '',
            flow_id text NOT NULL DEFAULT '',
            counts bigint[] NOT NULL
        );
        COMMENT ON TABLE flowstate.cleanup_run IS 'the clean-up under way, or the last one';
        COMMENT ON COLUMN flowstate.cleanup_run.counts IS
            'removed: versions, flows, ended flows, checkpoints, quarantined, events, idempotency records, bytes';
        \(statisticsMigration)
        """
}
