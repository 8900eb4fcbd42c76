extension StoreSchema {
    /// States that are larger than a message, in parts: neither this server nor PostgreSQL ever holds the whole of one.
    ///
    /// - `state_upload`: one row an upload, from its first part on, for as long as a version refers to it. `reference` is what a version with
    ///   codec 3 has in `state`: `StateParts`. `upload_id` is the client's name for it; NULL: it cannot be resumed.
    ///   `owner` is the call that continues it: of two calls that want to, the later one.
    /// - `state_part.bytes` is EXTERNAL, as states are.
    ///
    /// Versions refer to parts of their own flow only: a fork copies them, and a flow can be moved with all it has.
    static let uploadsMigration = """
        CREATE TABLE flowstate.state_upload (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            reference bytea NOT NULL,
            upload_id text COLLATE "C",
            owner bigint NOT NULL,
            received bigint NOT NULL DEFAULT 0,
            stored bigint NOT NULL DEFAULT 0,
            saved_version bigint,
            is_given_up boolean NOT NULL DEFAULT false,
            created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
            touched_at timestamptz NOT NULL DEFAULT statement_timestamp(),
            PRIMARY KEY (tenant, flow_id, reference)
        ) WITH (fillfactor = 70);
        CREATE UNIQUE INDEX state_upload_id ON flowstate.state_upload (tenant, flow_id, upload_id) WHERE upload_id IS NOT NULL;
        COMMENT ON TABLE flowstate.state_upload IS 'states that are stored in parts';
        COMMENT ON COLUMN flowstate.state_upload.received IS 'bytes of the state that are stored, from its beginning';
        COMMENT ON COLUMN flowstate.state_upload.stored IS 'bytes that they take';
        COMMENT ON COLUMN flowstate.state_upload.saved_version IS 'a version that refers to it';
        COMMENT ON COLUMN flowstate.state_upload.is_given_up IS 'no version refers to it or will: its parts are being removed';

        CREATE TABLE flowstate.state_part (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            reference bytea NOT NULL,
            part integer NOT NULL,
            codec smallint NOT NULL,
            size integer NOT NULL,
            digest bytea NOT NULL,
            bytes bytea NOT NULL,
            PRIMARY KEY (tenant, flow_id, reference, part)
        );
        ALTER TABLE flowstate.state_part ALTER COLUMN bytes SET STORAGE EXTERNAL;
        COMMENT ON COLUMN flowstate.state_part.part IS 'from 0';
        COMMENT ON COLUMN flowstate.state_part.codec IS 'how bytes are stored: 0 as they are, 1 as a zstd frame';
        """
}
