extension StoreSchema {
    /// Versions that a client has removed: they are in quarantine until retention removes them, and neither loads nor lists find them.
    static let removedVersionsMigration = """
        ALTER TABLE flowstate.flow_version ADD COLUMN removed_at timestamptz;
        COMMENT ON COLUMN flowstate.flow_version.removed_at IS 'when it was removed on request; NULL: it was not';
        """
}
