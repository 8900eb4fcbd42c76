extension StoreSchema {
    /// What servers compare instead of reading all definitions of a tenant: the last change, and the number of types.
    ///
    /// Triggers keep it, so that it is right for definitions from servers of the previous release, and for changes by hand:
    ///
    /// - An insert takes the tenant's next number; the row of `definition_change` is locked until the commit, so numbers become visible in
    ///   their order, and what is new to a server has a higher number than it knows.
    /// - That holds within one history only. The `token` is generated anew with each change and stored in the definition too: a server that
    ///   finds the number and the token that it knows has a part of this history, and not of one that a restored backup has cut off.
    /// - Anything else than an insert begins another `epoch`: everything is read anew.
    ///
    /// The primary key stays the newest index: see `keysMigration`.
    static let definitionChangesMigration = """
        ALTER TABLE flowstate.definition ADD COLUMN change_number bigint NOT NULL DEFAULT 0, ADD COLUMN change_token uuid;
        CREATE INDEX definition_change_number ON flowstate.definition (tenant, change_number);
        ALTER TABLE flowstate.definition DROP CONSTRAINT definition_pkey, ADD PRIMARY KEY (tenant, flow_type, revision);
        COMMENT ON COLUMN flowstate.definition.change_number IS 'counts what was put in the tenant; 0: before it was counted';
        COMMENT ON COLUMN flowstate.definition.change_token IS 'definition_change.token of that change';

        CREATE TABLE flowstate.definition_change (
            tenant text COLLATE "C" PRIMARY KEY,
            epoch uuid NOT NULL,
            number bigint NOT NULL,
            token uuid NOT NULL,
            types bigint NOT NULL
        ) WITH (fillfactor = 50);
        COMMENT ON TABLE flowstate.definition_change IS 'what was put last in a tenant, kept by triggers of definition';
        COMMENT ON COLUMN flowstate.definition_change.types IS 'flow types with a definition';

        CREATE FUNCTION flowstate.definition_was_put() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO flowstate.definition_change AS c (tenant, epoch, number, token, types)
            VALUES (NEW.tenant, gen_random_uuid(), 1, gen_random_uuid(), (NEW.revision = 1)::int)
            ON CONFLICT (tenant) DO UPDATE
                SET number = c.number + 1, token = gen_random_uuid(), types = c.types + (NEW.revision = 1)::int
            RETURNING c.number, c.token INTO NEW.change_number, NEW.change_token;
            RETURN NEW;
        END $$;
        CREATE TRIGGER definition_put BEFORE INSERT ON flowstate.definition
            FOR EACH ROW EXECUTE FUNCTION flowstate.definition_was_put();

        CREATE FUNCTION flowstate.count_definitions() RETURNS void LANGUAGE sql AS $$
            UPDATE flowstate.definition_change SET epoch = gen_random_uuid(), number = number + 1, token = gen_random_uuid(), types = 0;
            INSERT INTO flowstate.definition_change AS c (tenant, epoch, number, token, types)
            SELECT tenant, gen_random_uuid(), max(change_number), gen_random_uuid(), count(DISTINCT flow_type)
            FROM flowstate.definition GROUP BY tenant
            ON CONFLICT (tenant) DO UPDATE SET types = excluded.types;
        $$;
        CREATE FUNCTION flowstate.definitions_were_rewritten() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM flowstate.count_definitions();
            RETURN NULL;
        END $$;
        CREATE TRIGGER definition_rewritten AFTER UPDATE OR DELETE OR TRUNCATE ON flowstate.definition
            FOR EACH STATEMENT EXECUTE FUNCTION flowstate.definitions_were_rewritten();

        SELECT flowstate.count_definitions();
        """
}
