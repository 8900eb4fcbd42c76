-- One row: the head of a flow and its latest version. The state is sent as text: pgbench has no binary results, and
-- a bytea in hexadecimal would be twice as long.
SELECT f.version, f.flow_type, f.phase, f.status, f.progress, f.labels, f.created_at, f.updated_at, f.deleted_at,
    v.parent_version, v.size, v.created_at, v.kind, v.digest, v.actor, v.content_type, v.phase, v.status,
    v.version_label, v.metadata, v.codec, convert_from(v.state, 'SQL_ASCII')
FROM flowstate.flow f
JOIN flowstate.flow_version v ON v.tenant = f.tenant AND v.flow_id = f.flow_id AND v.version = f.version
WHERE f.tenant = 'pgbench' AND f.flow_id = 'bench-2048-' || :pick;
