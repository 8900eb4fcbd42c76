extension StoreSchema {
    /// The revision of its type's definition to which a flow is pinned: the latest one when it was created, until it is moved to another.
    static let definitionRevisionMigration = """
        ALTER TABLE flowstate.flow ADD COLUMN definition_revision bigint;
        COMMENT ON COLUMN flowstate.flow.definition_revision IS
            'of the definition of its type; NULL: the latest, since there was none when the flow was made';
        """
}
