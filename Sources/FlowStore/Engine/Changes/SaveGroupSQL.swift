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
    /// What the heads of the groups must be.
    enum Form: Int, CaseIterable {
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

    let form: Form
    /// Groups have an idempotency key: every one, or some of those that create flows.
    let idempotent: Bool
    /// Some group has several rows. If none has, a row has the index of its group, which spares PostgreSQL a join for each.
    let chained: Bool

    static let all = Form.allCases.flatMap { form in
        [false, true].flatMap { idempotent in
            [false, true].map { SaveGroupSQL(form: form, idempotent: idempotent, chained: $0) }
        }
    }

    private static let statements = all.map { sql in
        Statement(
            name: sql.form.name + (sql.idempotent ? "_idempotent" : "") + (sql.chained ? "_chained" : ""),
            sql: sql.text,
            parameterTypes: SaveParameters.groupTypes(idempotent: sql.idempotent))
    }

    var statement: Statement { Self.statements[form.rawValue * 4 + (idempotent ? 2 : 0) + (chained ? 1 : 0)] }

    /// The element of a flow (`g`), or of a row (`r`).
    private func at(_ value: SaveValue, _ index: String) -> String { "(\(SaveParameters.groups(value)))[\(index)]" }

    private var text: String {
        var parts = ["WITH head AS (\(form == .create ? creation : update))", "ver AS (\(version))"]
        if idempotent { parts.append("kept AS (\(record))") }
        return parts.joined(separator: ",\n") + "\nSELECT h.i, h.version, h.updated_at FROM head h"
    }

    private var head: SaveHeadSQL {
        SaveHeadSQL(value: { at($0, "g.i") }, count: at(.count, "g.i"), labelLimit: "$2")
    }

    /// Writes nothing when the key was used.
    private var guardCondition: String {
        guard idempotent else { return "" }
        return """
             AND NOT EXISTS (SELECT FROM flowstate.idempotency d
                WHERE d.tenant = \(at(.tenant, "g.i")) AND d.key = \(at(.key, at(.first, "g.i"))) OFFSET 0)
            """
    }

    /// The tenant is compared by ANY: with a plain `=` the planner would also consider a merge join that reads the whole index in its
    /// order, and choose it while `flow` seems to have next to no rows.
    private var update: String {
        """
        UPDATE flowstate.flow f \(head.update)
        FROM generate_series(1, $1) g(i)
        WHERE f.tenant = ANY (ARRAY[\(head[.tenant])]) AND f.flow_id = \(head[.flowID]) AND \(head.isExpected) AND \(head.isChangeable)
            AND ($2 IS NULL OR \(head[.labelChanges]) IS NULL OR \(LabelSQL.count(head.labels.merged)) <= $2)\(guardCondition)
            \(form == .updateHeld ? "AND " + HeadLock.isHeld : "")
        RETURNING g.i, \(SaveHeadSQL.returning)
        """
    }

    private var creation: String {
        """
        \(head.insertion)
        FROM generate_series(1, $1) g(i)
        WHERE true\(guardCondition)
        ON CONFLICT (tenant, flow_id) DO NOTHING
        RETURNING array_position(\(SaveParameters.groups(.flowID)), f.flow_id) AS i, \(SaveHeadSQL.returning)
        """
    }

    private var version: String {
        let first = at(.first, "h.i")
        let row = chained ? "r.i" : "h.i"
        let number = chained ? "h.version - \(at(.count, "h.i")) + 1 + r.i - \(first)" : "h.version"
        let source =
            chained ? "head h CROSS JOIN LATERAL generate_series(\(first), \(first) + \(at(.count, "h.i")) - 1) r(i)" : "head h"
        return SaveVersionSQL(
            head: { at($0, "h.i") }, row: { at($0, row) }, number: number, parent: "nullif(\(number) - 1, 0)",
            carried: { "coalesce(\(at($0, row)), \($1))" }
        ).insertion(from: source)
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
