-- save.sql for 32 flows in one statement and one transaction. Each client has flows of its own, so that none waits
-- for another or deadlocks with it.
\set id :client_id * 32
WITH head AS (
    UPDATE flowstate.flow SET version = version + 1, updated_at = statement_timestamp()
    WHERE tenant = 'pgbench'
        AND flow_id = ANY (ARRAY(SELECT 'bench-2048-' || n FROM generate_series(:id::int, :id::int + 31) n))
    RETURNING flow_id, version, updated_at
)
INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, kind, codec, digest,
    actor, content_type, phase, status, state)
SELECT 'pgbench', flow_id, version, version - 1, :size::bigint, updated_at, 2, 0, '\x000102030405060708090a0b0c0d0e0f',
    'pgbench', 'application/json', '', '', :state::bytea
FROM head;
