extension StoreSchema {
    /// What clients that name versions by labels need: the label of the version that one was made from, which may be unknown here, and
    /// tags by which versions are found. Both are NULL in most versions, which adds nothing to a row; the index has only versions with tags,
    /// below their tenant (`tenantLabelsMigration`).
    static let versionTagsMigration = """
        ALTER TABLE flowstate.flow_version
            ADD COLUMN parent_label text COLLATE "C",
            ADD COLUMN tags jsonb;
        COMMENT ON COLUMN flowstate.flow_version.parent_label IS
            'the label of the version that this one was made from, as the client gave it; parent_version is its number, if there was one';
        COMMENT ON COLUMN flowstate.flow_version.tags IS 'names and values by which versions are found';
        CREATE INDEX flow_version_tags ON flowstate.flow_version
            USING gin ((jsonb_set('{}', ARRAY[tenant], tags)) jsonb_path_ops) WHERE tags IS NOT NULL;
        """
}
