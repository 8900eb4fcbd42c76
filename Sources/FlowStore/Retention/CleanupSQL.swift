import FlowModel
import Postgres

/// The statements of clean-ups.
enum CleanupSQL {
    /// The first tenant after `$1`, or `$1` itself if `$2` says so.
    static let nextTenant = Statement(
        name: "cleanup_tenant",
        sql: "SELECT f.tenant FROM flowstate.flow f WHERE f.tenant >= $1 AND ($2 OR f.tenant > $1) ORDER BY f.tenant LIMIT 1",
        parameterTypes: [.text, .bool])

    /// The latest definition of each type of a tenant (`$1`).
    static let definitions = Statement(
        name: "cleanup_definitions",
        sql: """
            SELECT DISTINCT ON (d.flow_type) d.flow_type, d.revision, d.digest FROM flowstate.definition d WHERE d.tenant = $1
            ORDER BY d.flow_type, d.revision DESC
            """, parameterTypes: [.text])

    /// Flows of a tenant (`$1`), deleted longer ago than `$2` seconds, that still have their history; after the one deleted at `$3` with
    /// the id `$4`, at most `$5`, of a type (`$6`) or any.
    static let deleted = Statement(
        name: "cleanup_deleted",
        sql: """
            SELECT f.flow_id, f.version - f.base_floor, f.deleted_at FROM flowstate.flow f
            WHERE f.tenant = $1 AND f.deleted_at IS NOT NULL AND NOT f.history_gone
                AND f.deleted_at < statement_timestamp() - make_interval(secs => $2)
                AND (f.deleted_at, f.flow_id) > ($3, $4) AND ($6 IS NULL OR f.flow_type = $6)
            ORDER BY f.deleted_at, f.flow_id LIMIT $5
            """, parameterTypes: [.text, .float8, .timestamptz, .text, .int8, .text])

    /// The next `$3` flows of a tenant (`$1`) after the id `$2`: the last id among them, and those of the types `$4` on which no one has a
    /// lease.
    static let flows = Statement(
        name: "cleanup_flows",
        sql: """
            WITH page AS (
                SELECT f.* FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id > $2 ORDER BY f.flow_id LIMIT $3)
            SELECT last.flow_id, p.flow_id, p.flow_type, p.version, p.version - p.base_floor, p.definition_revision, p.phase, p.status,
                extract(epoch FROM statement_timestamp() - p.updated_at)::float8
            FROM (SELECT max(p.flow_id) AS flow_id FROM page p) last
            LEFT JOIN page p ON p.deleted_at IS NULL AND p.flow_type = ANY ($4) AND NOT \(LeaseSQL.isLive("p"))
            WHERE last.flow_id IS NOT NULL
            """, parameterTypes: [.text, .text, .int8, .textArray])

    /// Whether the policy itself retains a version: by its place and the bytes up to it, newest first, and its time. From the first that it
    /// does not retain, all are removed, whatever their times: clocks are set back.
    private static let stays = """
        v.place = 1 OR (($3 IS NULL OR v.place <= $3)
            AND ($4 IS NULL OR v.created_at >= statement_timestamp() - make_interval(secs => $4))
            AND ($5 IS NULL OR v.total <= $5))
        """

    /// What to remove of flows of a tenant (`$1`) with these ids (`$2`): see `RetentionPolicy`. `$3` versions, `$4` seconds, `$5` bytes,
    /// `$6` checkpoints, `$7` quarantined states are retained; `$8`: events are removed; `$9`: versions are removed. Versions are counted
    /// as if checkpoints and quarantined states had already been removed.
    static let totals = Statement(
        name: "cleanup_totals",
        sql: """
            SELECT i.flow_id, x.floor, x.versions, x.bytes, x.checkpoints, x.quarantined, x.events FROM unnest($2) i(flow_id)
            CROSS JOIN LATERAL (
                WITH c AS (
                    SELECT c.version, row_number() OVER (ORDER BY \(InsertionOrder.newestFirst("c", id: "checkpoint_id"))) AS place
                    FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = i.flow_id),
                q AS (
                    SELECT q.version, row_number() OVER (ORDER BY \(InsertionOrder.newestFirst("q", id: "quarantine_id"))) AS place
                    FROM flowstate.quarantine q WHERE q.tenant = $1 AND q.flow_id = i.flow_id),
                v AS (
                    SELECT v.version, v.created_at, \(VersionRow.storedBytes("v")) AS bytes,
                        count(*) FILTER (WHERE v.removed_at IS NULL) OVER newest AS place,
                        sum(\(VersionRow.storedBytes("v"))) OVER newest AS total
                    FROM flowstate.flow_version v WHERE $9 AND v.tenant = $1 AND v.flow_id = i.flow_id
                    WINDOW newest AS (ORDER BY v.version DESC)),
                floor AS (
                    SELECT coalesce(max(v.version) FILTER (WHERE NOT (\(stays))) + 1, 0) AS version FROM v),
                gone AS (
                    SELECT v.bytes FROM v, floor f WHERE v.version < f.version
                        AND v.version NOT IN (SELECT c.version FROM c WHERE $6 IS NULL OR c.place <= $6)
                        AND v.version NOT IN (SELECT q.version FROM q WHERE $7 IS NULL OR q.place <= $7))
                SELECT (SELECT f.version FROM floor f), count(*), coalesce(sum(g.bytes), 0)::bigint,
                    (SELECT count(*) FROM c WHERE c.place > $6), (SELECT count(*) FROM q WHERE q.place > $7),
                    (SELECT count(*) FROM flowstate.flow_event e WHERE $8 AND e.tenant = $1 AND e.flow_id = i.flow_id)
                FROM gone g
            ) x(floor, versions, bytes, checkpoints, quarantined, events)
            WHERE x.versions + x.checkpoints + x.quarantined + x.events > 0
            """, parameterTypes: [.text, .textArray, .int8, .float8, .int8, .int8, .int8, .bool, .bool])

    /// A range of a flow (`$1`, `$2` id) that has very many versions: the `$7` newest versions below `$6`. `$3` versions, `$4` seconds,
    /// `$5` bytes are retained; `$8` versions with `$9` bytes are above the range; the newest `$10` checkpoints and `$11` quarantined
    /// states are retained. Returns how many versions it read, the lowest of them, their bytes, the newest that the policy does not retain,
    /// and, of those that nothing pins, the number and the bytes.
    static let range = Statement(
        name: "cleanup_range",
        sql: """
            WITH pinned AS (
                (SELECT c.version FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = $2
                    ORDER BY \(InsertionOrder.newestFirst("c", id: "checkpoint_id")) LIMIT $10)
                UNION (SELECT q.version FROM flowstate.quarantine q WHERE q.tenant = $1 AND q.flow_id = $2
                    ORDER BY \(InsertionOrder.newestFirst("q", id: "quarantine_id")) LIMIT $11)),
            v AS (
                SELECT r.*, $8 + row_number() OVER newest AS place, $9 + sum(r.bytes) OVER newest AS total,
                    r.version IN (SELECT p.version FROM pinned p) AS is_pinned
                FROM (
                    SELECT w.version, w.created_at, \(VersionRow.storedBytes("w")) AS bytes FROM flowstate.flow_version w
                    WHERE w.tenant = $1 AND w.flow_id = $2 AND w.version < $6 ORDER BY w.version DESC LIMIT $7) r
                WINDOW newest AS (ORDER BY r.version DESC))
            SELECT count(*), coalesce(min(v.version), 0), coalesce(sum(v.bytes), 0)::bigint,
                max(v.version) FILTER (WHERE NOT (\(stays))), count(*) FILTER (WHERE NOT v.is_pinned),
                coalesce(sum(v.bytes) FILTER (WHERE NOT v.is_pinned), 0)::bigint
            FROM v
            """, parameterTypes: [.text, .text, .int8, .float8, .int8, .int8, .int8, .int8, .int8, .int8, .int8])

    // For one flow, in one transaction. `$1` tenant, `$2` flow id. The head's lock is the only one that is waited for: changes of a flow
    // take it first, so its holder never waits for a lock that is held here.

    static let lockHead = Statement(
        name: "cleanup_lock", sql: "SELECT f.version FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2 FOR NO KEY UPDATE",
        parameterTypes: [.text, .text])

    /// Removes all but the newest `$3` checkpoints, oldest first, at most `$5` of them.
    static let trimCheckpoints = Statement(
        name: "cleanup_checkpoints",
        sql: """
            WITH \(trimmed("checkpoint")),
            head AS (\(FlowRow.nextCheckpointEpoch("gone"))),
            audit AS (\(event("checkpoints_removed", "'checkpoints', count(*)", from: "gone")))
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text, .int8, .text, .int8])

    /// The same for quarantined states.
    static let trimQuarantined = Statement(
        name: "cleanup_quarantined",
        sql: """
            WITH \(trimmed("quarantine")),
            audit AS (\(event("quarantined_removed", "'quarantined', count(*)", from: "gone")))
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text, .int8, .text, .int8])

    private static func trimmed(_ table: String) -> String {
        let id = "\(table)_id"
        return """
            beyond AS (
                SELECT o.* FROM flowstate.\(table) o WHERE o.tenant = $1 AND o.flow_id = $2
                ORDER BY \(InsertionOrder.newestFirst("o", id: id)) OFFSET $3),
            old AS (
                SELECT c.\(id) FROM flowstate.\(table) c WHERE c.tenant = $1 AND c.flow_id = $2 AND c.\(id) IN (
                    SELECT b.\(id) FROM beyond b ORDER BY \(InsertionOrder.columns("b", id: id)) LIMIT $5)
                FOR UPDATE SKIP LOCKED),
            gone AS (
                DELETE FROM flowstate.\(table) c USING old o WHERE c.tenant = $1 AND c.flow_id = $2 AND c.\(id) = o.\(id)
                RETURNING c.\(id))
            """
    }

    /// Marks a deleted flow of which nothing is left.
    static let markGone = Statement(
        name: "cleanup_gone",
        sql: "UPDATE flowstate.flow f SET history_gone = true WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NOT NULL",
        parameterTypes: [.text, .text])

    /// Removes the oldest events, at most `$3` of them.
    static let removeEvents = Statement(
        name: "cleanup_events",
        sql: """
            WITH gone AS (
                DELETE FROM flowstate.flow_event e WHERE e.tenant = $1 AND e.flow_id = $2 AND e.event_id IN (
                    SELECT o.event_id FROM flowstate.flow_event o WHERE o.tenant = $1 AND o.flow_id = $2 ORDER BY o.event_id LIMIT $3)
                RETURNING 1)
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text, .int8])

    static let removeNotifications = Statement(
        name: "cleanup_notifications",
        sql: """
            WITH gone AS (
                DELETE FROM flowstate.notification n WHERE n.tenant = $1 AND n.flow_id = $2 AND n.notification_id IN (
                    SELECT o.notification_id FROM flowstate.notification o WHERE o.tenant = $1 AND o.flow_id = $2 LIMIT $3
                    FOR UPDATE SKIP LOCKED)
                RETURNING 1)
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text, .int8])

    /// `$4`: the actor.
    private static func event(_ kind: String, _ detail: String, from rows: String) -> String {
        """
        INSERT INTO flowstate.flow_event (tenant, flow_id, kind, actor, detail, created_at)
            SELECT $1, $2, '\(kind)', $4, jsonb_build_object(\(detail)), statement_timestamp() FROM \(rows) HAVING count(*) > 0
        """
    }
}
