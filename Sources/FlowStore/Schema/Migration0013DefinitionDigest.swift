extension StoreSchema {
    /// The digest of each document, by which servers cache the definitions that they have read. A revision's number is not enough, since
    /// after a backup was restored it may be given to another document. PostgreSQL computes the digest, also of rows from servers of the
    /// previous release.
    static let definitionDigestMigration = """
        ALTER TABLE flowstate.definition ADD COLUMN digest bytea NOT NULL GENERATED ALWAYS AS (sha256(document)) STORED;
        COMMENT ON COLUMN flowstate.definition.digest IS 'SHA-256 of the document';
        """
}
