import Compression
import FlowModel
import Postgres

extension DeleteVersionsCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Int64 {
        if case .tagged(_, let values) = selection, values.isEmpty { return 0 }
        let limit = store.limits.flowsPerCall
        let ids =
            switch (subject, selection) {
            case (.flow(let flowID), _): [flowID]
            case (.flows(let labels), .allBut): try await store.flows(of: tenant, labels: labels, limit: limit, for: context)
            case (.flows(let labels), .tagged(let name, let values)):
                try await store.flows(of: tenant, labels: labels, tag: (name, values), limit: limit, for: context)
            }
        var total: Int64 = 0
        for flowID in ids {
            let key = try FlowKey(tenant: tenant, flowID: flowID, limits: store.limits)
            do throws(StateError) {
                total += try await remove(from: key, in: store, for: context)
            } catch .flowNotFound where subject != .flow(flowID) {
                // It was deleted since it was found.
                continue
            }
        }
        return total
    }

    private func remove(from key: FlowKey, in store: StateStore, for context: OperationContext) async throws(StateError) -> Int64 {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(actor)
        parameters.append(isDryRun)
        parameters.append(VersionKind.restored.rawValue)
        parameters.append(VersionKind.deleted.rawValue)
        parameters.append(bytes: XXH3.digest([]))
        parameters.append(StateCodec.raw.rawValue)
        parameters.append(isDryRun ? nil : try await store.limitTable(of: key, for: context))
        let statement: Statement
        switch selection {
        case .tagged(let name, let values):
            statement = DeleteVersionsSQL.tagged
            parameters.append(name)
            parameters.append(texts: values.count) { values[$0] }
        case .allBut(let newest, let labels):
            statement = DeleteVersionsSQL.allBut
            parameters.append(Int64(newest))
            parameters.append(texts: labels.count) { labels[$0] }
        }
        let flowID = key.flowID
        let single = Change.SingleStatement(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .refused(.flowNotFound(flowID: flowID, deleted: false)) }
            if try rows.bool(0, 1) { return .refused(.flowNotFound(flowID: flowID, deleted: true)) }
            // The flow was created after the heads were locked, or the base of what is left was pruned: then that is stored anew by now.
            guard try rows.bool(0, 2) else { return .retry }
            return .done(.removed(try rows.int64(0, 0)))
        }
        let removed = try await store.make(Change(key, store.resources, .statement(single)), for: context) { $0.removed }
        store.resources.cache.invalidate(key)
        return removed
    }
}

/// Removes versions of a flow (`$1`, `$2`), behind `HeadLock`. `$3` actor, `$4` dry run, `$5` and `$6` the kinds of a restored version and of a
/// tombstone, `$7` and `$8` the digest and the codec of an empty state, `$9` `FlowDefinition.limitTable` or NULL.
enum DeleteVersionsSQL {
    private static let types: [OID] = [.text, .text, .text, .bool, .int2, .int2, .bytea, .int2, .text]

    /// `$10` the tag, `$11` its values.
    static let tagged = statement(
        "delete_tagged_versions", where: "v.tags ->> $10 = ANY ($11)", types: [.text, .textArray])

    /// `$10` how many labels are kept, `$11` which besides.
    static let allBut = statement(
        "delete_all_but_versions",
        where: """
            v.version_label IS NOT NULL AND v.version_label <> ALL ($11) AND v.version_label NOT IN (
                SELECT DISTINCT n.version_label FROM flowstate.flow_version n
                WHERE n.tenant = $1 AND n.flow_id = $2 AND n.version >= h.first_version AND n.version_label IS NOT NULL
                    AND n.removed_at IS NULL
                ORDER BY n.version_label DESC LIMIT $10)
            """, types: [.int8, .textArray])

    private static func statement(_ name: String, where condition: String, types more: [OID]) -> Statement {
        Statement(
            name: name,
            sql: """
                WITH head AS MATERIALIZED (
                    SELECT f.version, f.first_version FROM flowstate.flow f
                    WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NULL AND \(HeadLock.isHeld)),
                victims AS MATERIALIZED (
                    SELECT v.version FROM head h CROSS JOIN LATERAL (
                        SELECT v.version FROM flowstate.flow_version v
                        WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version >= h.first_version AND v.removed_at IS NULL
                            AND \(condition)
                            AND NOT EXISTS (SELECT FROM flowstate.checkpoint c
                                WHERE c.tenant = $1 AND c.flow_id = $2 AND c.version = v.version) OFFSET 0) v),
                lost AS MATERIALIZED (SELECT h.first_version FROM head h JOIN victims x ON x.version = h.version WHERE NOT $4),
                source AS MATERIALIZED (
                    SELECT v.* FROM lost l CROSS JOIN LATERAL (
                        SELECT v.version FROM flowstate.flow_version v
                        WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version >= l.first_version AND v.removed_at IS NULL AND v.kind <> $6
                            AND v.version NOT IN (SELECT x.version FROM victims x)
                        ORDER BY v.version DESC LIMIT 1) n
                    JOIN \(VersionRow.locked("n.version")) ON true),
                base AS MATERIALIZED (SELECT v.version FROM source s JOIN \(VersionRow.locked("s.base_version")) ON true),
                pruned AS MATERIALIZED (
                    SELECT FROM source s WHERE s.base_version IS NOT NULL AND NOT EXISTS (SELECT FROM base)),
                gone AS (
                    UPDATE flowstate.flow_version v SET removed_at = statement_timestamp() FROM victims x
                    WHERE NOT $4 AND NOT EXISTS (SELECT FROM pruned) AND v.tenant = ANY (ARRAY[$1]) AND v.flow_id = $2 AND v.version = x.version
                    RETURNING v.version),
                writes AS (
                    DELETE FROM flowstate.flow_write w
                    WHERE w.tenant = $1 AND w.flow_id = $2
                        AND w.version_label IN (
                            SELECT v.version_label FROM victims x CROSS JOIN LATERAL (
                                SELECT v.version_label FROM flowstate.flow_version v
                                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version = x.version AND v.version_label IS NOT NULL) v
                            WHERE EXISTS (SELECT FROM gone))
                        AND NOT EXISTS (
                            SELECT FROM flowstate.flow_version o WHERE o.tenant = $1 AND o.flow_id = $2
                                AND o.version_label = w.version_label AND o.removed_at IS NULL
                                AND o.version NOT IN (SELECT x.version FROM victims x))),
                quarantine AS (
                    INSERT INTO flowstate.quarantine (tenant, flow_id, quarantine_id, version, reason, violations, created_at)
                    SELECT $1, $2, gen_random_uuid()::text, g.version, 'removed on request', '[]', statement_timestamp()
                    FROM gone g ORDER BY g.version),
                audit AS (
                    INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                    SELECT $1, $2, 'versions_removed', max(g.version), $3, jsonb_build_object('versions', count(*)), statement_timestamp()
                    FROM gone g HAVING count(*) > 0),
                \(again),
                ended AS (
                    UPDATE flowstate.flow f SET \(TombstoneSQL.head) FROM lost l
                    WHERE f.tenant = $1 AND f.flow_id = $2 AND NOT EXISTS (SELECT FROM source) RETURNING \(TombstoneSQL.returning)),
                tombstone AS (\(TombstoneSQL.version(flowID: "$2", kind: "$6", actor: "$3", digest: "$7", codec: "$8", from: "ended h")))
                SELECT (SELECT count(*) FROM victims), f.deleted_at IS NOT NULL,
                    \(HeadLock.isHeld) AND NOT EXISTS (SELECT FROM pruned)
                FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2
                """,
            parameterTypes: types + more)
    }

    /// The newest version that is left becomes the latest again: as the next one, so that no number is used twice. Its state is copied as it
    /// is stored: the copy's base is the same, which the lock keeps from being pruned until the copy is committed.
    private static let again = """
        again AS (
            UPDATE flowstate.flow f SET version = f.version + 1, phase = s.phase, status = s.status, progress = s.progress,
                updated_at = greatest(statement_timestamp(), f.updated_at),
                \(DueSQL.looking(up: "$9", phase: "s.phase", status: "s.status").changes)
            FROM source s WHERE f.tenant = $1 AND f.flow_id = $2 AND NOT EXISTS (SELECT FROM pruned)
            RETURNING f.version, f.updated_at),
        copy AS (
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind, codec, digest,
                actor, content_type, phase, status, version_label, metadata, base_version, state, parent_label, tags)
            SELECT $1, $2, a.version, s.parent_version, s.size, a.updated_at, s.progress, $5, s.codec, s.digest, $3, s.content_type, s.phase,
                s.status, s.version_label, s.metadata, s.base_version, s.state, s.parent_label, s.tags
            FROM again a, source s)
        """
}
