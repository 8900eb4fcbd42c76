extension StoreSchema {
    /// The primary keys become the newest indexes of their tables.
    ///
    /// While a table is small, or was never analysed, the planner sees no difference between reading one row by its whole key and reading
    /// all rows of a tenant through another index that begins with the tenant, and of equally cheap indexes it takes the newest one. The
    /// plan is kept until the table is analysed: until autovacuum does that, each look-up would read every flow of the tenant.
    static let keysMigration = """
        ALTER TABLE flowstate.flow DROP CONSTRAINT flow_pkey, ADD PRIMARY KEY (tenant, flow_id);
        ALTER TABLE flowstate.checkpoint DROP CONSTRAINT checkpoint_pkey, ADD PRIMARY KEY (tenant, flow_id, checkpoint_id);
        """
}
