extension StoreSchema {
    /// States stored as patches against other versions, and columns by which a cache checks its entries.
    ///
    /// - `flow_version.base_version`: the base of a patch (codec 2). There is no index on it: only pruning looks up patches by their base,
    ///   and it reads the versions of one flow.
    /// - `flow.base_floor`: no new patch may refer to a version below. Pruning raises it before it looks for patches against the versions
    ///   that it removes. It is in the head because every save locks that.
    /// - `flow.checkpoint_epoch` grows with each change of the flow's checkpoints, so that a cache that has a version can tell whether its
    ///   checkpoints are unchanged; 0 means that there never was one, and spares a load the look-up.
    static let compressionMigration = """
        ALTER TABLE flowstate.flow
            ADD COLUMN base_floor bigint NOT NULL DEFAULT 0,
            ADD COLUMN checkpoint_epoch bigint NOT NULL DEFAULT 0;
        UPDATE flowstate.flow f SET checkpoint_epoch = 1
            FROM (SELECT DISTINCT tenant, flow_id FROM flowstate.checkpoint) c WHERE f.tenant = c.tenant AND f.flow_id = c.flow_id;
        ALTER TABLE flowstate.flow_version ADD COLUMN base_version bigint;
        COMMENT ON COLUMN flowstate.flow_version.codec IS
            'how state is stored: 0 as it is, 1 a zstd frame, 2 a zstd patch (frame with prefix) against base_version';
        """
}
