extension StoreSchema {
    /// What a document says, in a few bytes: servers keep definitions that they have read by it. A revision's number does not do, since after
    /// a backup was restored it may be given to another document. PostgreSQL computes it, also of rows that servers of the release before
    /// make.
    static let definitionDigestMigration = """
        ALTER TABLE flowstate.definition ADD COLUMN digest bytea NOT NULL GENERATED ALWAYS AS (sha256(document)) STORED;
        COMMENT ON COLUMN flowstate.definition.digest IS 'SHA-256 of the document';
        """
}
