import FlowModel
import Postgres

extension ListNotificationsCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        if let flowID { try NameRule.check(flowID, field: "flow_id", maximumBytes: limits.idBytes) }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<NotificationRecord> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        var fingerprint = Fingerprint()
        fingerprint.combine(tenant)
        fingerprint.combine(flowID ?? "")
        fingerprint.combine(includesAcknowledged ? "all" : "open")
        fingerprint.combine(minimumLevel.name)
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(includesAcknowledged)
        parameters.append(minimumLevel.rawValue)
        parameters.append(Int64(size + 1))
        parameters.append(try PageToken.position(pageToken, list: .notifications, fingerprint: fingerprint))
        parameters.append(Int64(store.pageBytes))
        if let flowID { parameters.append(flowID) }
        let seal = fingerprint
        let query = Query<Page<NotificationRecord>>(
            statement: flowID == nil ? Self.ofTenant : Self.ofFlow, parameters: parameters
        ) { rows throws(PostgresError) in
            var records: [(NotificationRecord, InsertionOrder.Position)] = []
            for row in 0..<rows.count {
                let position = try InsertionOrder.position(rows, row, from: NotificationRow.columnCount)
                records.append((try NotificationRow.record(rows, row), position))
            }
            let found = rows.count > 0 ? try rows.int64(0, NotificationRow.columnCount + InsertionOrder.types.count) : 0
            return .success(Page(records, found: found, size: size, list: .notifications, fingerprint: seal))
        }
        return try await store.page(query, rows: size + 1, rowBytes: NotificationRow.largestBytes(store.limits), for: context)
    }

    static let ofTenant = statement("list_notifications", "true", [])
    static let ofFlow = statement("list_notifications_of_flow", "n.flow_id = $9", [.text])

    private static func statement(_ name: String, _ condition: String, _ types: [OID]) -> Statement {
        let rows = PageSQL.fitting(
            """
            SELECT * FROM flowstate.notification n
            WHERE n.tenant = $1 AND \(condition) AND \(InsertionOrder.isAfter("n", id: "notification_id", first: 5))
                AND ($2 OR n.acknowledged_at IS NULL) AND n.level >= $3
            ORDER BY \(InsertionOrder.newestFirst("n", id: "notification_id")) LIMIT $4
            """,
            as: "n", order: InsertionOrder.newestFirst("n", id: "notification_id"),
            size: PageSQL.octets("n.notification_id", "n.flow_id", "n.title", "n.message", "n.acknowledged_by"), bytes: "$8")
        return Statement(
            name: name,
            sql: """
                SELECT \(NotificationRow.columns), \(InsertionOrder.columns("n", id: "notification_id")), n.found FROM (\(rows)) n
                """,
            parameterTypes: [.text, .bool, .int2, .int8] + InsertionOrder.types + [.int8] + types)
    }
}
