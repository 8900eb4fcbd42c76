-- Flows for save.sql; those of load.sql are the ones that flowstate-bench made.
INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
SELECT 'pgbench', 'bench-2048-' || n, 1, 'bench', '', '', '{}', now(), now()
FROM generate_series(0, :flows - 1) n ON CONFLICT DO NOTHING;
