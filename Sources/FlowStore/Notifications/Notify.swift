import FlowModel
import Postgres

extension NotifyCommand: TaskCommand {
    /// - Returns: whether the notification was inserted.
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Bool {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(notification)
        parameters.append(version)
        let query = Query<Bool>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            .success(rows.count > 0)
        }
        let isInserted = try await store.ask(query, shard: Shard.of(key), for: context)
        if isInserted { store.log(notification, about: key) }
        return isInserted
    }

    private static let statement = Statement(
        name: "notify",
        sql: NotificationRow.insertion(first: 3, version: "$7", time: "o.now", from: "(SELECT statement_timestamp() AS now) o") + """
             WHERE NOT EXISTS (SELECT FROM flowstate.notification n WHERE n.tenant = $1 AND n.flow_id = $2 AND n.version = $7
                AND n.level = $4 AND n.acknowledged_at IS NULL)
            RETURNING notification_id
            """,
        parameterTypes: [.text, .text] + NotificationRow.insertedTypes + [.int8])
}
