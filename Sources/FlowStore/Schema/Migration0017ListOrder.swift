extension StoreSchema {
    /// What lists of flows need where very many flows share the ten minutes of `flow.updated_slot`, or a label.
    ///
    /// - `flow_version_created`: versions in their order, and so the flows in the order of their last change: a version that is its flow's
    ///   newest is as old as the flow's last change. All versions of a commit have the same time, so the index takes 7 bytes a version.
    ///   Every version matches its condition, which keeps the planner from using it where the query does not name the condition: it would
    ///   be as good as the primary key where a table was never analysed (see `keysMigration`).
    /// - `flow_labels`: labels below their tenant, so that one tenant's list does not read what other tenants have labelled alike, and
    ///   need not be intersected with all flows of its own.
    ///
    /// Creating an index counts the rows of `flow` again, so an empty table gets its first statistics once more (`statisticsMigration`).
    /// The rows that were deleted for them leave pages in its indexes, more in the primary key than in others, which would then seem
    /// cheaper; TRUNCATE removes them. No flow can be inserted meanwhile: CREATE INDEX has locked the table.
    static let listOrderMigration = """
        CREATE INDEX flow_version_created ON flowstate.flow_version (tenant, created_at) WHERE created_at > '-infinity';
        DROP INDEX flowstate.flow_labels;
        CREATE INDEX flow_labels ON flowstate.flow USING gin ((jsonb_set('{}', ARRAY[tenant], labels)) jsonb_path_ops);
        \(statisticsMigration)
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM flowstate.flow) THEN TRUNCATE flowstate.flow; END IF;
        END $$;
        """
}
