extension StoreSchema {
    /// Notifications about flows, and the progress of their delivery. A row is inserted in the transaction on which it reports.
    ///
    /// - `next_attempt_at` is set from the start: the server that inserts the row need not be one that has a webhook.
    /// - The primary key is the newest index: see `keysMigration`.
    /// - `notification_due` has only notifications that wait for delivery, so it stays small.
    static let notificationsMigration = """
        CREATE TABLE flowstate.notification (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            notification_id text COLLATE "C" NOT NULL,
            version bigint NOT NULL,
            level smallint NOT NULL,
            title text NOT NULL,
            message text NOT NULL,
            created_at timestamptz NOT NULL,
            acknowledged_at timestamptz,
            acknowledged_by text COLLATE "C",
            attempts integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz,
            delivered_at timestamptz
        );
        COMMENT ON TABLE flowstate.notification IS 'what people should know about flows';
        COMMENT ON COLUMN flowstate.notification.notification_id IS 'UUIDv7: the order of ids is the order of making';
        COMMENT ON COLUMN flowstate.notification.level IS '1 info, 2 warning, 3 error';
        COMMENT ON COLUMN flowstate.notification.attempts IS 'how often its delivery was begun';
        COMMENT ON COLUMN flowstate.notification.next_attempt_at IS 'when it is delivered next; NULL: not any more';
        CREATE INDEX notification_tenant ON flowstate.notification (tenant, notification_id);
        CREATE INDEX notification_due ON flowstate.notification (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
        ALTER TABLE flowstate.notification ADD PRIMARY KEY (tenant, flow_id, notification_id);
        """
}
