import Postgres

/// Statements that write many groups of saves at once: parameters are arrays, with one element for each group or for each saved row.
///
///     WITH head AS (UPDATE or INSERT of flow, one row a group, RETURNING),  nothing for a group whose head is not as it must be
///          ver  AS (INSERT INTO flow_version … one row for each save of a group FROM head),
///          kept AS (INSERT INTO idempotency …)
///     SELECT … FROM head
///
/// A group that does not come back was not written, for whatever reason: its saves run each by its own statement (`ChangeSQL`), which can
/// tell. So the usual case pays for nothing but the three writes. Elements are taken by subscript rather than by unnest(): one array
/// after the other would go through a tuple store.
struct SaveGroupSQL {
    let creates: Bool
    let idempotent: Bool

    static func statement(creates: Bool, idempotent: Bool) -> Statement {
        statements[(creates ? 2 : 0) + (idempotent ? 1 : 0)]
    }

    private static let statements = [false, true].flatMap { creates in
        [false, true].map { idempotent in
            let sql = SaveGroupSQL(creates: creates, idempotent: idempotent)
            return Statement(
                name: (creates ? "create_flows" : "save_flows") + (idempotent ? "_idempotent" : ""), sql: sql.text,
                parameterTypes: [.int4] + (Column.groups + Column.rows + (idempotent ? Column.keys : [])).map(\.type))
        }
    }

    /// One array. `SaveGroupParameters` appends them in the same order.
    private enum Column: Int {
        case tenant = 2
        case flowID, count, first, expected, flowType, phase, status, progress, labels, base
        case kind, actor, contentType, state, size, digest, codec, rowBase, versionLabel, metadata, rowPhase, rowStatus, rowProgress
        case key, requestDigest

        static let groups: [Column] = [
            .tenant, .flowID, .count, .first, .expected, .flowType, .phase, .status, .progress, .labels, .base,
        ]
        static let rows: [Column] = [
            .kind, .actor, .contentType, .state, .size, .digest, .codec, .rowBase, .versionLabel, .metadata, .rowPhase, .rowStatus,
            .rowProgress,
        ]
        static let keys: [Column] = [.key, .requestDigest]

        var type: OID {
            switch self {
            case .tenant, .flowID, .flowType, .phase, .status, .labels, .actor, .contentType, .versionLabel, .rowPhase, .rowStatus, .key:
                .textArray
            case .count, .first: .int4Array
            case .expected, .base, .size, .rowBase: .int8Array
            case .kind, .codec: .int2Array
            case .progress, .rowProgress: .float8Array
            case .state, .digest, .metadata, .requestDigest: .byteaArray
            }
        }
    }

    /// The element of a group (`g`), or of a row (`r`).
    private func at(_ column: Column, _ index: String) -> String { "($\(column.rawValue))[\(index)]" }

    private var text: String {
        var parts = ["WITH head AS (\(creates ? creation : update))", "ver AS (\(version))"]
        if idempotent { parts.append("kept AS (\(record))") }
        return parts.joined(separator: ",\n") + "\nSELECT h.i, h.version, h.updated_at FROM head h"
    }

    /// Nothing is written when the key was used.
    private var guardCondition: String {
        guard idempotent else { return "" }
        return """
             AND NOT EXISTS (SELECT FROM flowstate.idempotency d
                WHERE d.tenant = \(at(.tenant, "g.i")) AND d.key = \(at(.key, at(.first, "g.i"))))
            """
    }

    private var update: String {
        """
        UPDATE flowstate.flow f SET version = f.version + \(at(.count, "g.i")), phase = coalesce(\(at(.phase, "g.i")), f.phase),
            status = coalesce(\(at(.status, "g.i")), f.status), progress = coalesce(\(at(.progress, "g.i")), f.progress),
            labels = coalesce(\(at(.labels, "g.i"))::jsonb, f.labels), updated_at = greatest(statement_timestamp(), f.updated_at)
        FROM generate_series(1, $1) g(i)
        WHERE f.tenant = \(at(.tenant, "g.i")) AND f.flow_id = \(at(.flowID, "g.i")) AND f.deleted_at IS NULL
            AND (\(at(.expected, "g.i")) IS NULL OR f.version = \(at(.expected, "g.i")))
            AND (\(at(.flowType, "g.i")) IS NULL OR f.flow_type = \(at(.flowType, "g.i")))
            AND (\(at(.base, "g.i")) IS NULL OR f.base_floor <= \(at(.base, "g.i")))\(guardCondition)
        RETURNING g.i, f.version, f.phase, f.status, f.progress, f.updated_at
        """
    }

    private var creation: String {
        """
        INSERT INTO flowstate.flow AS f
            (tenant, flow_id, version, flow_type, phase, status, progress, labels, created_at, updated_at)
        SELECT \(at(.tenant, "g.i")), \(at(.flowID, "g.i")), \(at(.count, "g.i")), coalesce(\(at(.flowType, "g.i")), ''),
            coalesce(\(at(.phase, "g.i")), ''), coalesce(\(at(.status, "g.i")), ''), \(at(.progress, "g.i")),
            coalesce(\(at(.labels, "g.i")), '{}')::jsonb, statement_timestamp(), statement_timestamp()
        FROM generate_series(1, $1) g(i)
        WHERE true\(guardCondition)
        ON CONFLICT (tenant, flow_id) DO NOTHING
        RETURNING array_position($\(Column.flowID.rawValue), f.flow_id) AS i, f.version, f.phase, f.status, f.progress, f.updated_at
        """
    }

    /// The first version of a flow is always of the kind "created".
    private var version: String {
        let number = "h.version - \(at(.count, "h.i")) + 1 + r.i - \(at(.first, "h.i"))"
        return """
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind, codec,
                digest, actor, content_type, phase, status, version_label, metadata, base_version, state)
            SELECT \(at(.tenant, "h.i")), \(at(.flowID, "h.i")), n.version, nullif(n.version - 1, 0), \(at(.size, "r.i")), h.updated_at,
                coalesce(\(at(.rowProgress, "r.i")), h.progress), CASE n.version WHEN 1 THEN 1::smallint ELSE \(at(.kind, "r.i")) END,
                \(at(.codec, "r.i")), \(at(.digest, "r.i")), \(at(.actor, "r.i")), \(at(.contentType, "r.i")),
                coalesce(\(at(.rowPhase, "r.i")), h.phase), coalesce(\(at(.rowStatus, "r.i")), h.status), \(at(.versionLabel, "r.i")),
                \(at(.metadata, "r.i")), \(at(.rowBase, "r.i")), \(at(.state, "r.i"))
            FROM head h
            CROSS JOIN LATERAL generate_series(\(at(.first, "h.i")), \(at(.first, "h.i")) + \(at(.count, "h.i")) - 1) r(i)
            CROSS JOIN LATERAL (SELECT \(number)) n(version)
            """
    }

    private var record: String {
        let row = at(.first, "h.i")
        return """
            INSERT INTO flowstate.idempotency (tenant, key, request_digest, flow_id, version, version_created_at, state_digest)
            SELECT \(at(.tenant, "h.i")), \(at(.key, row)), \(at(.requestDigest, row)), \(at(.flowID, "h.i")), h.version, h.updated_at,
                \(at(.digest, row))
            FROM head h
            """
    }
}
