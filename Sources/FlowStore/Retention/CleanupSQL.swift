import FlowModel
import Postgres

/// What cleaning up asks and does.
enum CleanupSQL {
    /// `$1`: the tenant before.
    static let nextTenant = Statement(
        name: "cleanup_tenant", sql: "SELECT f.tenant FROM flowstate.flow f WHERE f.tenant > $1 ORDER BY f.tenant LIMIT 1",
        parameterTypes: [.text])

    /// The latest definition of each type of a tenant (`$1`).
    static let definitions = Statement(
        name: "cleanup_definitions",
        sql: """
            SELECT DISTINCT ON (d.flow_type) \(DefinitionRow.columns) FROM flowstate.definition d WHERE d.tenant = $1
            ORDER BY d.flow_type, d.revision DESC
            """, parameterTypes: [.text])

    /// Flows of a tenant (`$1`), deleted longer ago than `$2` seconds, whose history is still there; after the one deleted at `$3` with the
    /// id `$4`, so many (`$5`), of a type (`$6`) or any.
    static let deleted = Statement(
        name: "cleanup_deleted",
        sql: """
            SELECT f.flow_id, f.version - f.base_floor, f.deleted_at FROM flowstate.flow f
            WHERE f.tenant = $1 AND f.deleted_at IS NOT NULL AND NOT f.history_gone
                AND f.deleted_at < statement_timestamp() - make_interval(secs => $2)
                AND (f.deleted_at, f.flow_id) > ($3, $4) AND ($6 IS NULL OR f.flow_type = $6)
            ORDER BY f.deleted_at, f.flow_id LIMIT $5
            """, parameterTypes: [.text, .float8, .timestamptz, .text, .int8, .text])

    /// The next `$3` flows of a tenant (`$1`) after the id `$2`: the last id among them, and those of the types `$4`.
    static let flows = Statement(
        name: "cleanup_flows",
        sql: """
            WITH page AS (
                SELECT f.* FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id > $2 ORDER BY f.flow_id LIMIT $3)
            SELECT last.flow_id, p.flow_id, p.flow_type, p.version, p.version - p.base_floor, p.definition_revision, p.phase, p.status,
                extract(epoch FROM statement_timestamp() - p.updated_at)::float8
            FROM (SELECT max(p.flow_id) AS flow_id FROM page p) last
            LEFT JOIN page p ON p.deleted_at IS NULL AND p.flow_type = ANY ($4)
            WHERE last.flow_id IS NOT NULL
            """, parameterTypes: [.text, .text, .int8, .textArray])

    /// What goes of flows of a tenant (`$1`) with these ids (`$2`): see `RetentionPolicy`. `$3` versions, `$4` seconds, `$5` bytes,
    /// `$6` checkpoints, `$7` archives stay; `$8`: events go; `$9`: versions go. Versions are counted as if checkpoints and archives had gone already.
    static let figures = Statement(
        name: "cleanup_figures",
        sql: """
            SELECT i.flow_id, x.floor, x.versions, x.bytes, x.checkpoints, x.archives, x.events FROM unnest($2) i(flow_id)
            CROSS JOIN LATERAL (
                WITH c AS (
                    SELECT c.version, row_number() OVER (ORDER BY \(InsertionOrder.newestFirst("c", id: "checkpoint_id"))) AS place
                    FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = i.flow_id),
                q AS (
                    SELECT q.version, row_number() OVER (ORDER BY \(InsertionOrder.newestFirst("q", id: "quarantine_id"))) AS place
                    FROM flowstate.quarantine q WHERE q.tenant = $1 AND q.flow_id = i.flow_id),
                v AS (
                    SELECT v.version, v.created_at, octet_length(v.state) AS bytes, row_number() OVER newest AS place,
                        sum(octet_length(v.state)) OVER newest AS total
                    FROM flowstate.flow_version v WHERE $9 AND v.tenant = $1 AND v.flow_id = i.flow_id
                    WINDOW newest AS (ORDER BY v.version DESC)),
                stays AS (
                    SELECT min(v.version) AS floor FROM v WHERE v.place = 1 OR (($3 IS NULL OR v.place <= $3)
                        AND ($4 IS NULL OR v.created_at >= statement_timestamp() - make_interval(secs => $4))
                        AND ($5 IS NULL OR v.total <= $5))),
                gone AS (
                    SELECT v.bytes FROM v, stays s WHERE v.version < s.floor
                        AND v.version NOT IN (SELECT c.version FROM c WHERE $6 IS NULL OR c.place <= $6)
                        AND v.version NOT IN (SELECT q.version FROM q WHERE $7 IS NULL OR q.place <= $7))
                SELECT coalesce((SELECT s.floor FROM stays s), 0), count(*), coalesce(sum(g.bytes), 0)::bigint,
                    (SELECT count(*) FROM c WHERE c.place > $6), (SELECT count(*) FROM q WHERE q.place > $7),
                    (SELECT count(*) FROM flowstate.flow_event e WHERE $8 AND e.tenant = $1 AND e.flow_id = i.flow_id)
                FROM gone g
            ) x(floor, versions, bytes, checkpoints, archives, events)
            WHERE x.versions + x.checkpoints + x.archives + x.events > 0
            """, parameterTypes: [.text, .textArray, .int8, .float8, .int8, .int8, .int8, .bool, .bool])

    // Of one flow, in one transaction. `$1` tenant, `$2` flow id.

    /// All but the newest `$3` checkpoints go.
    static let trimCheckpoints = Statement(
        name: "cleanup_checkpoints",
        sql: """
            WITH gone AS (
                DELETE FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = $2 AND c.checkpoint_id IN (
                    SELECT o.checkpoint_id FROM flowstate.checkpoint o WHERE o.tenant = $1 AND o.flow_id = $2
                    ORDER BY \(InsertionOrder.newestFirst("o", id: "checkpoint_id")) OFFSET $3)
                RETURNING c.checkpoint_id),
            head AS (\(FlowRow.nextCheckpointEpoch("gone"))),
            audit AS (\(event("checkpoints_removed", "'checkpoints', count(*)", from: "gone")))
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text, .int8, .text])

    /// All but the newest `$3` archives go.
    static let trimArchives = Statement(
        name: "cleanup_archives",
        sql: """
            WITH gone AS (
                DELETE FROM flowstate.quarantine q WHERE q.tenant = $1 AND q.flow_id = $2 AND q.quarantine_id IN (
                    SELECT o.quarantine_id FROM flowstate.quarantine o WHERE o.tenant = $1 AND o.flow_id = $2
                    ORDER BY \(InsertionOrder.newestFirst("o", id: "quarantine_id")) OFFSET $3)
                RETURNING q.quarantine_id),
            audit AS (\(event("archives_removed", "'archives', count(*)", from: "gone")))
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text, .int8, .text])

    /// Nothing is left of a deleted flow.
    static let markGone = Statement(
        name: "cleanup_gone",
        sql: "UPDATE flowstate.flow f SET history_gone = true WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NOT NULL",
        parameterTypes: [.text, .text])

    static let removeEvents = Statement(
        name: "cleanup_events",
        sql: """
            WITH gone AS (DELETE FROM flowstate.flow_event e WHERE e.tenant = $1 AND e.flow_id = $2 RETURNING 1)
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text])

    static let removeNotifications = Statement(
        name: "cleanup_notifications", sql: "DELETE FROM flowstate.notification n WHERE n.tenant = $1 AND n.flow_id = $2",
        parameterTypes: [.text, .text])

    /// `$4`: the actor.
    private static func event(_ kind: String, _ detail: String, from rows: String) -> String {
        """
        INSERT INTO flowstate.flow_event (tenant, flow_id, kind, actor, detail, created_at)
            SELECT $1, $2, '\(kind)', $4, jsonb_build_object(\(detail)), statement_timestamp() FROM \(rows) HAVING count(*) > 0
        """
    }
}
