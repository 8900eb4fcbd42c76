-- Flows of pgbench's own, each with a head and one version, as the server would have written them.
INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
SELECT 'pgbench', 'bench-2048-' || n, 1, 'bench', '', '', '{}', now(), now()
FROM generate_series(:first, :flows - 1) n;
INSERT INTO flowstate.flow_version (tenant, flow_id, version, size, created_at, kind, codec, digest,
    actor, content_type, phase, status, state)
SELECT 'pgbench', 'bench-2048-' || n, 1, :size::bigint, now(), 1, 0, '\x000102030405060708090a0b0c0d0e0f',
    'pgbench', 'application/json', '', '', :'state'::bytea
FROM generate_series(:first, :flows - 1) n;
-- For plans that are made once, now.
ANALYZE flowstate.flow, flowstate.flow_version;
