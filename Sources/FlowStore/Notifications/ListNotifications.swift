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
        parameters.append(try pageToken?.position(list: .notifications, fingerprint: fingerprint).text)
        parameters.append(includesAcknowledged)
        parameters.append(minimumLevel.rawValue)
        parameters.append(Int64(size + 1))
        if let flowID { parameters.append(flowID) }
        let seal = fingerprint
        let query = Query<Page<NotificationRecord>>(
            statement: flowID == nil ? Self.ofTenant : Self.ofFlow, parameters: parameters
        ) { rows throws(PostgresError) in
            var records: [NotificationRecord] = []
            for row in 0..<rows.count { records.append(try NotificationRow.record(rows, row)) }
            return .success(
                Page(records, size: size) {
                    PageToken(list: .notifications, fingerprint: seal, position: PageToken.Position(text: $0.id))
                })
        }
        store.submit(query, context, completion)
    }

    static let ofTenant = statement("list_notifications", "true", [])
    static let ofFlow = statement("list_notifications_of_flow", "n.flow_id = $6", [.text])

    private static func statement(_ name: String, _ condition: String, _ types: [OID]) -> Statement {
        Statement(
            name: name,
            sql: """
                SELECT \(NotificationRow.columns) FROM flowstate.notification n
                WHERE n.tenant = $1 AND \(condition) AND ($2 IS NULL OR n.notification_id < $2)
                    AND ($3 OR n.acknowledged_at IS NULL) AND n.level >= $4
                ORDER BY n.notification_id DESC LIMIT $5
                """,
            parameterTypes: [.text, .text, .bool, .int2, .int8] + types)
    }
}
