import FlowModel
import Postgres

/// Statements about flows whose time limits have passed.
enum OverdueSQL {
    /// A place in the order of `found`.
    struct Place: Sendable {
        var dueAt: Timestamp
        var key: FlowKey
    }

    static func parameters(limit: Int, after place: Place?) -> Parameters {
        var parameters = Parameters()
        parameters.append(Int64(limit))
        parameters.append(timestamp: place?.dueAt.microseconds)
        parameters.append(place?.key.tenant)
        parameters.append(place?.key.flowID)
        return parameters
    }

    /// Flows with a limit that has passed and was not reported, those that were due first, `$1` at most, behind the place `$2`, `$3`, `$4`.
    static let found = Statement(
        name: "overdue_flows",
        sql: """
            SELECT \(columns) FROM flowstate.flow f
            WHERE f.due_at <= statement_timestamp() AND ($2 IS NULL OR (f.due_at, f.tenant, f.flow_id) > ($2, $3, $4))
                AND ($2 IS NULL OR f.due_at >= $2)
            ORDER BY f.due_at, f.tenant, f.flow_id LIMIT $1
            """, parameterTypes: [.int8, .timestamptz, .text, .text])

    /// The flow `$1`, `$2`, if it is still one of them.
    static let one = Statement(
        name: "overdue_flow",
        sql: """
            SELECT \(columns) FROM flowstate.flow f
            WHERE f.tenant = $1 AND f.flow_id = $2 AND coalesce(f.due_at <= statement_timestamp(), false)
            """, parameterTypes: [.text, .text])

    private static let columns = """
        f.tenant, f.flow_id, f.version, f.flow_type, f.definition_revision, f.phase, f.status, f.deleted_at IS NOT NULL, f.due_at,
            statement_timestamp(), \(isFound("f.phase_due_at")), \(isFound("f.status_due_at"))
        """

    private static func isFound(_ column: String) -> String {
        "coalesce(\(column) >= f.due_at AND \(column) <= statement_timestamp(), false)"
    }

    static func flow(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> OverdueFlow {
        OverdueFlow(
            key: FlowKey(stored: try rows.text(row, 0), flowID: try rows.text(row, 1)), version: try rows.int64(row, 2),
            flowType: try rows.text(row, 3), definitionRevision: try rows.int64IfPresent(row, 4), phase: try rows.text(row, 5),
            status: try rows.text(row, 6), isDeleted: try rows.bool(row, 7),
            mark: OverdueMark(
                dueAt: Timestamp(microseconds: try rows.timestamp(row, 8)), foundAt: Timestamp(microseconds: try rows.timestamp(row, 9))),
            isOfPhase: try rows.bool(row, 10), isOfStatus: try rows.bool(row, 11))
    }

    // MARK: Changes

    /// The flow is as it was found: it has not moved on, and no other server has reported it. (With a condition for the index of `due_at`
    /// that would seem as good as the primary key where a table was never analysed.)
    private static let isAsFound = """
        f.tenant = $1 AND f.flow_id = $2 AND f.due_at IS NOT DISTINCT FROM $3 AND f.phase = $5 AND f.status = $6
        """
    private static let types: [OID] = [.text, .text, .timestamptz, .timestamptz, .text, .text]

    static func parameters(_ flow: OverdueFlow) -> Parameters {
        var parameters = Parameters()
        parameters.append(flow.key.tenant)
        parameters.append(flow.key.flowID)
        parameters.append(timestamp: flow.mark.dueAt.microseconds)
        parameters.append(timestamp: flow.mark.foundAt.microseconds)
        parameters.append(flow.phase)
        parameters.append(flow.status)
        return parameters
    }

    /// Reports the limits that have passed by a notification (`$7` and following): both or none.
    static let notify = Statement(
        name: "notify_overdue",
        sql: """
            WITH head AS (
                UPDATE flowstate.flow f SET due_at = \(next)
                WHERE \(isAsFound) AND f.deleted_at IS NULL
                RETURNING f.version)
            \(NotificationRow.insertion(first: 7, version: "h.version", time: "statement_timestamp()", from: "head h"))
            RETURNING notification_id
            """, parameterTypes: types + NotificationRow.insertedTypes)

    /// Takes back the limits that have passed, or all of them (`$7`), without a report. Caches must forget the flow.
    static let forget = Statement(
        name: "forget_due",
        sql: """
            UPDATE flowstate.flow f SET phase_due_at = \(kept("f.phase_due_at")), status_due_at = \(kept("f.status_due_at")),
                due_at = CASE WHEN NOT $7 THEN \(next) END, checkpoint_epoch = f.checkpoint_epoch + 1
            WHERE \(isAsFound) AND f.version = $8
            """, parameterTypes: types + [.bool, .int8])

    private static func kept(_ column: String) -> String {
        "CASE WHEN NOT $7 AND (\(column) < f.due_at OR \(column) > $4) THEN \(column) END"
    }

    /// What is to be reported behind this.
    private static let next = DueSQL(phase: "NULL::text", status: "NULL::text", reported: "$4").updated("due_at")
}
