import FlowModel
import Postgres

extension ListNotificationsCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext,
        completion: @escaping @Sendable (Result<Page<NotificationRecord>, StateError>) -> Void
    ) throws(StateError) {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        if let flowID { try NameRule.check(flowID, field: "flow_id", maximumBytes: store.limits.idBytes) }
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
            return .success(Page(records, size: size, list: .notifications, fingerprint: seal))
        }
        store.submit(query, context, completion)
    }

    static let ofTenant = statement("list_notifications", "true", [])
    static let ofFlow = statement("list_notifications_of_flow", "n.flow_id = $8", [.text])

    private static func statement(_ name: String, _ condition: String, _ types: [OID]) -> Statement {
        Statement(
            name: name,
            sql: """
                SELECT \(NotificationRow.columns), \(InsertionOrder.columns("n", id: "notification_id")) FROM flowstate.notification n
                WHERE n.tenant = $1 AND \(condition) AND \(InsertionOrder.isAfter("n", id: "notification_id", first: 5))
                    AND ($2 OR n.acknowledged_at IS NULL) AND n.level >= $3
                ORDER BY \(InsertionOrder.newestFirst("n", id: "notification_id")) LIMIT $4
                """,
            parameterTypes: [.text, .bool, .int2, .int8] + InsertionOrder.types + types)
    }
}
