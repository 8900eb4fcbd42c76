import FlowModel
import Postgres

extension AcknowledgeNotificationCommand: TaskCommand {
    package func answerBytes(limits: Limits) -> Int { NotificationRow.largestBytes(limits) }

    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(actor, field: "actor", maximumBytes: limits.idBytes)
        try NameRule.check(id, field: "id", maximumBytes: limits.idBytes)
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> NotificationRecord {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(id)
        parameters.append(actor)
        let id = id
        let query = Query<NotificationRecord>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.notificationNotFound(id: id)) }
            return .success(try NotificationRow.record(rows, 0))
        }
        return try await store.ask(query, shard: Shard.of(tenant, id), for: context)
    }

    /// FOR UPDATE: of two concurrent acknowledgements the second one waits, and finds what the first one wrote.
    private static let statement = Statement(
        name: "acknowledge_notification",
        sql: """
            WITH found AS (
                SELECT * FROM flowstate.notification WHERE tenant = $1 AND notification_id = $2 FOR UPDATE),
            seen AS (
                UPDATE flowstate.notification n
                SET acknowledged_at = statement_timestamp(), acknowledged_by = $3, next_attempt_at = NULL
                FROM found f
                WHERE n.tenant = f.tenant AND n.flow_id = f.flow_id AND n.notification_id = f.notification_id
                    AND n.acknowledged_at IS NULL AND f.acknowledged_at IS NULL
                RETURNING n.*),
            audit AS (
                INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT n.tenant, n.flow_id, 'notification_acknowledged', n.version, $3,
                    jsonb_build_object('notification_id', n.notification_id), n.acknowledged_at FROM seen n)
            SELECT \(NotificationRow.columns) FROM seen n
            UNION ALL
            SELECT \(NotificationRow.columns) FROM found n WHERE NOT EXISTS (SELECT FROM seen)
            """,
        parameterTypes: [.text, .text, .text])
}
