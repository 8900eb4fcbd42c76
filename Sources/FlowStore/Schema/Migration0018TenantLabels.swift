extension StoreSchema {
    /// Labels below their tenant, so that one tenant's list does not read what other tenants have labelled alike, and need not be
    /// intersected with all flows of its own.
    ///
    /// - Servers of release 0.1.0, which may run beside this one while they are replaced, use the older index `flow_labels`. A database
    ///   without flows has none of them.
    /// - Creating an index counts the rows of `flow` again, so an empty table gets its first statistics once more (`statisticsMigration`).
    ///   The rows that were deleted for them leave pages in its indexes, more in the primary key than in others, which would then seem
    ///   cheaper; TRUNCATE removes them. No flow can be inserted meanwhile: CREATE INDEX has locked the table.
    static let tenantLabelsMigration = """
        CREATE INDEX flow_tenant_labels ON flowstate.flow USING gin ((jsonb_set('{}', ARRAY[tenant], labels)) jsonb_path_ops);
        \(statisticsMigration)
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM flowstate.flow) THEN
                TRUNCATE flowstate.flow;
                DROP INDEX flowstate.flow_labels;
            END IF;
        END $$;
        """
}
