extension StoreSchema {
    /// Versions in their order, and so flows in the order of their last change: a flow was last changed when its newest version was created.
    /// Lists use it where very many flows share the ten minutes of `flow.updated_slot`.
    ///
    /// - All versions of a statement have the same time, so on a busy server an entry takes 7 bytes.
    /// - Every version matches its condition, which keeps the planner from using it where the query does not name the condition: it would
    ///   be as good as the primary key where a table was never analysed (see `keysMigration`).
    static let versionOrderMigration = """
        CREATE INDEX flow_version_created ON flowstate.flow_version (tenant, created_at) WHERE created_at > '-infinity';
        """
}
