extension StoreSchema {
    /// How deep chains of patches may be. Servers of release 0.1.0 read two levels; one that runs beside this one while it is replaced must
    /// not meet a third. None runs on a database whose schema was made a moment ago: it does not start on a schema that is newer than itself.
    static let patchDepthMigration = """
        CREATE TABLE flowstate.storage (
            id smallint PRIMARY KEY CHECK (id = 1),
            patch_depth smallint NOT NULL
        );
        COMMENT ON TABLE flowstate.storage IS 'how states are stored, one row';
        COMMENT ON COLUMN flowstate.storage.patch_depth IS
            'the most versions between a version and the whole state that it is stored against, which every server on this database can read';
        INSERT INTO flowstate.storage (id, patch_depth) SELECT 1, CASE
            WHEN EXISTS (SELECT FROM flowstate.flow) THEN 2
            WHEN EXISTS (SELECT FROM flowstate.schema_migration WHERE applied_at < now() - interval '1 minute') THEN 2
            ELSE 3 END;
        """
}
