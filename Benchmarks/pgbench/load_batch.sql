-- load.sql for 32 flows in one statement.
\set id random(0, :flows - 32)
SELECT f.version, f.flow_type, f.phase, f.status, f.progress, f.labels, f.created_at, f.updated_at, f.deleted_at,
    v.parent_version, v.size, v.created_at, v.kind, v.digest, v.actor, v.content_type, v.phase, v.status,
    v.version_label, v.metadata, v.codec, convert_from(v.state, 'SQL_ASCII')
FROM flowstate.flow f
JOIN flowstate.flow_version v ON v.tenant = f.tenant AND v.flow_id = f.flow_id AND v.version = f.version
WHERE f.tenant = 'pgbench'
    AND f.flow_id = ANY (ARRAY(SELECT 'bench-2048-' || n FROM generate_series(:id::int, :id::int + 31) n));
