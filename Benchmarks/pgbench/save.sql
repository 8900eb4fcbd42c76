-- One transaction, in one statement and so in one round trip: the next version of the head, and its row.
WITH head AS (
    UPDATE flowstate.flow SET version = version + 1, updated_at = statement_timestamp()
    WHERE tenant = 'pgbench' AND flow_id = 'bench-2048-' || :pick
    RETURNING flow_id, version, updated_at
)
INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, kind, codec, digest,
    actor, content_type, phase, status, state)
SELECT 'pgbench', flow_id, version, version - 1, :size::bigint, updated_at, 2, 0, '\x000102030405060708090a0b0c0d0e0f',
    'pgbench', 'application/json', '', '', :state::bytea
FROM head;
