extension StoreSchema {
    /// Flows, their versions and checkpoints, events that are not versions, and idempotency keys.
    ///
    /// - Every text that is compared has the collation "C": byte order, the same on every cluster, and the order of keyset pages.
    /// - Every primary key begins with (tenant, flow_id), or with the tenant, so that the tables can be distributed by it. There are no
    ///   foreign keys: a save would pay for each with a row lock, and every row is written in one statement with what it refers to.
    /// - `flow` is updated by every save and must be HOT (PostgreSQL manual, 73.7): no index has a column that every save changes, and a
    ///   page keeps room (`fillfactor`) for the row's next versions. Lists in order of change therefore use `updated_slot`, the ten minutes
    ///   in which the flow was last changed: its index changes once in ten minutes a flow at most, and a list sorts only within a slot. A
    ///   plain index on `updated_at` would make every save write to all six indexes. (BRIN would not do: before PostgreSQL 16 it prevents
    ///   HOT too, and it has no order.) There is no index on `phase`, which changes often.
    /// - `flow_version.state` is EXTERNAL: PostgreSQL must not try to compress it (pglz costs more than the save, and `codec` says what
    ///   this server did itself). `toast_tuple_target` keeps states up to about 4 kB in the row: two rows a page, and no second table
    ///   to read or write for the usual state.
    static let flowsMigration = """
        CREATE TABLE flowstate.flow (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            version bigint NOT NULL CHECK (version >= 1),
            flow_type text COLLATE "C" NOT NULL,
            phase text COLLATE "C" NOT NULL,
            status text COLLATE "C" NOT NULL,
            progress double precision,
            labels jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            deleted_at timestamptz,
            updated_slot timestamptz NOT NULL GENERATED ALWAYS AS
                (date_bin('10 minutes', updated_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')) STORED,
            PRIMARY KEY (tenant, flow_id)
        ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
        COMMENT ON TABLE flowstate.flow IS 'heads of flows: what lists and searches read; a deleted flow keeps its row';

        CREATE INDEX flow_created ON flowstate.flow (tenant, created_at, flow_id);
        CREATE INDEX flow_updated ON flowstate.flow (tenant, updated_slot);
        CREATE INDEX flow_type ON flowstate.flow (tenant, flow_type, updated_slot);
        CREATE INDEX flow_status ON flowstate.flow (tenant, status, updated_slot);
        CREATE INDEX flow_labels ON flowstate.flow USING gin (labels jsonb_path_ops);

        CREATE TABLE flowstate.flow_version (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            version bigint NOT NULL CHECK (version >= 1),
            parent_version bigint,
            size bigint NOT NULL,
            created_at timestamptz NOT NULL,
            progress double precision,
            kind smallint NOT NULL,
            codec smallint NOT NULL,
            digest bytea NOT NULL,
            actor text COLLATE "C" NOT NULL,
            content_type text COLLATE "C" NOT NULL,
            phase text COLLATE "C" NOT NULL,
            status text COLLATE "C" NOT NULL,
            version_label text COLLATE "C",
            metadata bytea,
            state bytea NOT NULL,
            PRIMARY KEY (tenant, flow_id, version)
        ) WITH (toast_tuple_target = 4080);
        ALTER TABLE flowstate.flow_version ALTER COLUMN state SET STORAGE EXTERNAL;
        COMMENT ON TABLE flowstate.flow_version IS 'one immutable row a version: the audit trail';
        COMMENT ON COLUMN flowstate.flow_version.kind IS
            '1 created, 2 saved, 3 restored, 4 forked, 5 deleted, 6 transitioned, 7 status set, 8 error reported, 9 recovered, 10 migrated';
        COMMENT ON COLUMN flowstate.flow_version.codec IS 'how state is stored: 0 as it is';
        COMMENT ON COLUMN flowstate.flow_version.digest IS 'XXH3-128 of the state as it was saved, 16 bytes, most significant first';

        CREATE INDEX flow_version_label ON flowstate.flow_version (tenant, flow_id, version_label, version)
            WHERE version_label IS NOT NULL;

        CREATE TABLE flowstate.checkpoint (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            checkpoint_id text COLLATE "C" NOT NULL,
            name text COLLATE "C",
            version bigint NOT NULL,
            description text NOT NULL,
            actor text COLLATE "C" NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, flow_id, checkpoint_id)
        );
        COMMENT ON TABLE flowstate.checkpoint IS 'names for versions; a version with a checkpoint is not pruned';
        COMMENT ON COLUMN flowstate.checkpoint.checkpoint_id IS 'UUIDv7: the order of ids is the order of making';
        CREATE UNIQUE INDEX checkpoint_name ON flowstate.checkpoint (tenant, flow_id, name) WHERE name IS NOT NULL;
        CREATE INDEX checkpoint_version ON flowstate.checkpoint (tenant, flow_id, version);

        CREATE TABLE flowstate.flow_event (
            tenant text COLLATE "C" NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            event_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
            kind text COLLATE "C" NOT NULL,
            version bigint,
            actor text COLLATE "C" NOT NULL,
            detail jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, flow_id, event_id)
        );
        COMMENT ON TABLE flowstate.flow_event IS 'the audit of changes that make no version';

        CREATE TABLE flowstate.idempotency (
            tenant text COLLATE "C" NOT NULL,
            key text COLLATE "C" NOT NULL,
            request_digest bytea NOT NULL,
            flow_id text COLLATE "C" NOT NULL,
            version bigint NOT NULL,
            version_created_at timestamptz NOT NULL,
            state_digest bytea NOT NULL,
            checkpoint_id text COLLATE "C",
            restored_version bigint,
            recorded_at timestamptz NOT NULL DEFAULT statement_timestamp(),
            PRIMARY KEY (tenant, key)
        );
        COMMENT ON TABLE flowstate.idempotency IS 'what was answered to a request with this key, for its retries';
        CREATE INDEX idempotency_recorded ON flowstate.idempotency (recorded_at);
        """
}
