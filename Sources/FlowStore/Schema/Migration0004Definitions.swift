extension StoreSchema {
    /// Definitions of flow types, every revision. Built-in ones are not among them.
    static let definitionsMigration = """
        CREATE TABLE flowstate.definition (
            tenant text COLLATE "C" NOT NULL,
            flow_type text COLLATE "C" NOT NULL,
            revision bigint NOT NULL CHECK (revision >= 1),
            document bytea NOT NULL,
            actor text COLLATE "C" NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, flow_type, revision)
        );
        COMMENT ON TABLE flowstate.definition IS 'what is known about types of flows: immutable rows, one a revision';
        """
}
