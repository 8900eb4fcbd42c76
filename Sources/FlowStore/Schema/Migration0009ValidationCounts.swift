extension StoreSchema {
    /// How often saves broke rules: a refused save leaves no version to count. Servers add their counts every few seconds; rows of hours
    /// that no statistics cover any more are removed.
    static let validationCountsMigration = """
        CREATE TABLE flowstate.validation_count (
            tenant text COLLATE "C" NOT NULL,
            hour timestamptz NOT NULL,
            flow_type text COLLATE "C" NOT NULL,
            rule text COLLATE "C" NOT NULL,
            refused bigint NOT NULL,
            warned bigint NOT NULL,
            PRIMARY KEY (tenant, hour, flow_type, rule)
        );
        COMMENT ON TABLE flowstate.validation_count IS 'violations that saves were refused for, or made with, by the hour';
        """
}
