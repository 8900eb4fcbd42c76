extension StoreSchema {
    /// The first statistics of `flow`: one tenant has all flows.
    ///
    /// Without statistics the planner assumes that a tenant has one two-hundredth of the table. While that is a row or two, an index that
    /// begins with the tenant seems as good as the primary key, and better once it has fewer pages. Real statistics replace these, which
    /// stay until then though their rows are deleted. No client has the tenant with the empty name.
    static let statisticsMigration = """
        INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
            SELECT '', 'statistics ' || n, 1, '', '', '', '{}', now(), now() FROM generate_series(1, 100) n
            WHERE NOT EXISTS (SELECT FROM flowstate.flow);
        ANALYZE flowstate.flow;
        DELETE FROM flowstate.flow WHERE tenant = '';
        """
}
