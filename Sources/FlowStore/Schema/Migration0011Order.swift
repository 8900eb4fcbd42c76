extension StoreSchema {
    /// The order in which PostgreSQL inserted checkpoints, quarantined states and notifications.
    ///
    /// Their ids carry the clock of the server that generated them, so ids of two servers do not tell which came first; a sequence depends
    /// on no clock. Older rows have the number 0 and are ordered by PostgreSQL's time: nothing is rewritten, so the migration takes as long
    /// as its indexes. The column's default also numbers the rows of servers of the previous release.
    ///
    /// - The indexes are those of the lists. Per flow there are few quarantined states, so they have none of their own.
    /// - `notification_created`: to delete old notifications.
    /// - The primary key stays the newest index: see `keysMigration`.
    static let orderMigration =
        ["checkpoint", "quarantine", "notification"].map { table in
            """
            CREATE SEQUENCE flowstate.\(table)_sequence;
            ALTER TABLE flowstate.\(table) ADD COLUMN sequence_number bigint NOT NULL DEFAULT 0;
            ALTER TABLE flowstate.\(table) ALTER COLUMN sequence_number SET DEFAULT nextval('flowstate.\(table)_sequence');
            ALTER SEQUENCE flowstate.\(table)_sequence OWNED BY flowstate.\(table).sequence_number;
            COMMENT ON COLUMN flowstate.\(table).sequence_number IS
                'the order of making; 0: by created_at and id';
            COMMENT ON COLUMN flowstate.\(table).\(table)_id IS 'UUIDv7 of the clock of the server that made it';
            """
        }.joined(separator: "\n") + "\n" + """
            CREATE INDEX checkpoint_order ON flowstate.checkpoint (tenant, flow_id, sequence_number, created_at, checkpoint_id);
            CREATE INDEX quarantine_order ON flowstate.quarantine (tenant, sequence_number, created_at, quarantine_id);
            CREATE INDEX notification_order ON flowstate.notification (tenant, sequence_number, created_at, notification_id);
            CREATE INDEX notification_flow_order ON flowstate.notification (tenant, flow_id, sequence_number, created_at, notification_id);
            CREATE INDEX notification_created ON flowstate.notification (created_at);
            ALTER TABLE flowstate.checkpoint DROP CONSTRAINT checkpoint_pkey, ADD PRIMARY KEY (tenant, flow_id, checkpoint_id);
            ALTER TABLE flowstate.quarantine DROP CONSTRAINT quarantine_pkey, ADD PRIMARY KEY (tenant, flow_id, quarantine_id);
            ALTER TABLE flowstate.notification DROP CONSTRAINT notification_pkey, ADD PRIMARY KEY (tenant, flow_id, notification_id);
            """
}
