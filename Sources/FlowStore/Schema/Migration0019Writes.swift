extension StoreSchema {
    /// Pending writes: what tasks of a flow have produced before its next version is saved. They belong to a version by its label, so they
    /// may come before it, and before their flow.
    ///
    /// - `flow_write_order` is the order of lists; a write is known by its task and index.
    /// - `flow_write_early` has only writes that may never get a version, so it stays small.
    /// - The primary key is the newest index: see `keysMigration`.
    static let writesMigration = """
        CREATE TABLE flowstate.flow_write (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            version_label text COLLATE "C" NOT NULL,
            path text COLLATE "C" NOT NULL,
            task_id text COLLATE "C" NOT NULL,
            write_index integer NOT NULL,
            channel text COLLATE "C" NOT NULL,
            type text COLLATE "C" NOT NULL,
            value bytea NOT NULL,
            actor text COLLATE "C" NOT NULL,
            created_at timestamptz NOT NULL,
            is_early boolean NOT NULL
        );
        COMMENT ON TABLE flowstate.flow_write IS 'pending writes of versions, by the labels of those; a version may come later';
        COMMENT ON COLUMN flowstate.flow_write.path IS 'of the task in a nested flow; the first that was given';
        COMMENT ON COLUMN flowstate.flow_write.write_index IS 'below 0: may be replaced';
        COMMENT ON COLUMN flowstate.flow_write.is_early IS
            'no version had the label when it was written; false once maintenance has found one';
        CREATE INDEX flow_write_order ON flowstate.flow_write (tenant, flow_id, version_label, path, task_id, write_index);
        CREATE INDEX flow_write_early ON flowstate.flow_write (created_at) WHERE is_early;
        ALTER TABLE flowstate.flow_write ADD PRIMARY KEY (tenant, flow_id, version_label, task_id, write_index);
        """
}
