import Postgres

/// Statements that write many groups of saves at once: parameters are arrays, with one element for each group or for each saved row.
///
///     WITH head AS (UPDATE or INSERT of flow, one row a group, RETURNING),  no row for a group whose head does not match
///          ver  AS (INSERT INTO flow_version … one row for each save of a group FROM head),
///          kept AS (INSERT INTO idempotency …)
///     SELECT … FROM head
///
/// A group without a row in the result was not written, for whatever reason: each of its saves runs by its own statement (`ChangeSQL`),
/// which can tell why. So the usual case pays only for the three writes. Elements are taken by subscript: unnest() would put one array
/// after the other through a tuple store.
struct SaveGroupSQL: Hashable {
    /// The heads of groups.
    enum Heads: Int, CaseIterable {
        /// Flows that must not exist.
        case create
        /// Flows that must exist.
        case update
        /// Flows that must exist, and whose heads are locked (`HeadLock`).
        case updateHeld

        fileprivate var name: String {
            switch self {
            case .create: "create_flows"
            case .update: "save_flows"
            case .updateHeld: "save_held_flows"
            }
        }
    }

    let heads: Heads
    /// Groups have an idempotency key: every one, or some of those that create flows.
    let idempotent: Bool
    /// Some group has several rows. If none has, a row has the index of its group, which spares PostgreSQL a join for each.
    let chained: Bool

    static let all = Heads.allCases.flatMap { heads in
        [false, true].flatMap { idempotent in
            [false, true].map { SaveGroupSQL(heads: heads, idempotent: idempotent, chained: $0) }
        }
    }

    private static let statements = all.map { sql in
        Statement(
            name: sql.heads.name + (sql.idempotent ? "_idempotent" : "") + (sql.chained ? "_chained" : ""),
            sql: sql.text,
            parameterTypes: [.int4, .int4] + (Column.groups + Column.rows + (sql.idempotent ? Column.keys : [])).map(\.type))
    }

    var statement: Statement { Self.statements[heads.rawValue * 4 + (idempotent ? 2 : 0) + (chained ? 1 : 0)] }

    /// One array. `SaveGroupParameters` appends them in this order, behind the number of groups (`$1`) and the limit of a flow's labels
    /// (`$2`; NULL: no group has label changes).
    private enum Column: Int {
        case tenant = 3
        case flowID, count, first, expected, flowType, phase, status, progress, labels, labelChanges, base, revision
        case kind, actor, contentType, state, size, digest, codec, rowBase, versionLabel, metadata, rowPhase, rowStatus, rowProgress
        case key, requestDigest

        static let groups: [Column] = [
            .tenant, .flowID, .count, .first, .expected, .flowType, .phase, .status, .progress, .labels, .labelChanges, .base, .revision,
        ]
        static let rows: [Column] = [
            .kind, .actor, .contentType, .state, .size, .digest, .codec, .rowBase, .versionLabel, .metadata, .rowPhase, .rowStatus,
            .rowProgress,
        ]
        static let keys: [Column] = [.key, .requestDigest]

        var type: OID {
            switch self {
            case .tenant, .flowID, .flowType, .phase, .status, .labels, .labelChanges, .actor, .contentType, .versionLabel, .rowPhase,
                .rowStatus, .key:
                .textArray
            case .count, .first: .int4Array
            case .expected, .base, .revision, .size, .rowBase: .int8Array
            case .kind, .codec: .int2Array
            case .progress, .rowProgress: .float8Array
            case .state, .digest, .metadata, .requestDigest: .byteaArray
            }
        }
    }

    /// The element of a group (`g`), or of a row (`r`).
    private func at(_ column: Column, _ index: String) -> String { "($\(column.rawValue))[\(index)]" }

    private var text: String {
        var parts = ["WITH head AS (\(heads == .create ? creation : update))", "ver AS (\(version))"]
        if idempotent { parts.append("kept AS (\(record))") }
        return parts.joined(separator: ",\n") + "\nSELECT h.i, h.version, h.updated_at FROM head h"
    }

    /// Writes nothing when the key was used.
    private var guardCondition: String {
        guard idempotent else { return "" }
        return """
             AND NOT EXISTS (SELECT FROM flowstate.idempotency d
                WHERE d.tenant = \(at(.tenant, "g.i")) AND d.key = \(at(.key, at(.first, "g.i"))) OFFSET 0)
            """
    }

    private var labels: LabelSQL { LabelSQL(labels: "f.labels", changes: at(.labelChanges, "g.i"), limit: "$2") }

    /// The tenant is compared by ANY: with a plain `=` the planner would also consider a merge join that reads the whole index in its
    /// order, and choose it while `flow` seems to have next to no rows.
    private var update: String {
        """
        UPDATE flowstate.flow f SET version = f.version + \(at(.count, "g.i")), phase = coalesce(\(at(.phase, "g.i")), f.phase),
            status = coalesce(\(at(.status, "g.i")), f.status), progress = coalesce(\(at(.progress, "g.i")), f.progress),
            labels = coalesce(\(at(.labels, "g.i"))::jsonb, \(labels.merged), f.labels),
            updated_at = greatest(statement_timestamp(), f.updated_at)
        FROM generate_series(1, $1) g(i)
        WHERE f.tenant = ANY (ARRAY[\(at(.tenant, "g.i"))]) AND f.flow_id = \(at(.flowID, "g.i")) AND f.deleted_at IS NULL
            AND (\(at(.expected, "g.i")) IS NULL OR f.version = \(at(.expected, "g.i")))
            AND (\(at(.flowType, "g.i")) IS NULL OR f.flow_type = \(at(.flowType, "g.i")))
            AND (\(at(.base, "g.i")) IS NULL OR \(at(.base, "g.i")) BETWEEN f.base_floor AND f.version)
            AND ($2 IS NULL OR \(at(.labelChanges, "g.i")) IS NULL OR \(LabelSQL.count(labels.merged)) <= $2)\(guardCondition)
            \(heads == .updateHeld ? "AND " + HeadLock.isHeld : "")
        RETURNING g.i, f.version, f.phase, f.status, f.progress, f.updated_at
        """
    }

    private var creation: String {
        """
        INSERT INTO flowstate.flow AS f
            (tenant, flow_id, version, flow_type, phase, status, progress, labels, created_at, updated_at, definition_revision)
        SELECT \(at(.tenant, "g.i")), \(at(.flowID, "g.i")), \(at(.count, "g.i")), coalesce(\(at(.flowType, "g.i")), ''),
            coalesce(\(at(.phase, "g.i")), ''), coalesce(\(at(.status, "g.i")), ''), \(at(.progress, "g.i")),
            coalesce(\(at(.labels, "g.i"))::jsonb, jsonb_strip_nulls(\(at(.labelChanges, "g.i"))::jsonb), '{}'),
            statement_timestamp(), statement_timestamp(), \(at(.revision, "g.i"))
        FROM generate_series(1, $1) g(i)
        WHERE true\(guardCondition)
        ON CONFLICT (tenant, flow_id) DO NOTHING
        RETURNING array_position($\(Column.flowID.rawValue), f.flow_id) AS i, f.version, f.phase, f.status, f.progress, f.updated_at
        """
    }

    /// The first version of a flow is always of the kind "created".
    private var version: String {
        let first = at(.first, "h.i")
        let row = chained ? "r.i" : "h.i"
        let number = chained ? "h.version - \(at(.count, "h.i")) + 1 + r.i - \(first)" : "h.version"
        let source =
            chained ? "head h CROSS JOIN LATERAL generate_series(\(first), \(first) + \(at(.count, "h.i")) - 1) r(i)" : "head h"
        return """
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind, codec,
                digest, actor, content_type, phase, status, version_label, metadata, base_version, state)
            SELECT \(at(.tenant, "h.i")), \(at(.flowID, "h.i")), \(number), nullif(\(number) - 1, 0), \(at(.size, row)), h.updated_at,
                coalesce(\(at(.rowProgress, row)), h.progress), CASE \(number) WHEN 1 THEN 1::smallint ELSE \(at(.kind, row)) END,
                \(at(.codec, row)), \(at(.digest, row)), \(at(.actor, row)), \(at(.contentType, row)),
                coalesce(\(at(.rowPhase, row)), h.phase), coalesce(\(at(.rowStatus, row)), h.status), \(at(.versionLabel, row)),
                \(at(.metadata, row)), \(at(.rowBase, row)), \(at(.state, row))
            FROM \(source)
            """
    }

    private var record: String {
        let row = at(.first, "h.i")
        return """
            INSERT INTO flowstate.idempotency (tenant, key, request_digest, flow_id, version, version_created_at, state_digest)
            SELECT \(at(.tenant, "h.i")), \(at(.key, row)), \(at(.requestDigest, row)), \(at(.flowID, "h.i")), h.version, h.updated_at,
                \(at(.digest, row))
            FROM head h WHERE \(at(.key, row)) IS NOT NULL
            """
    }
}
