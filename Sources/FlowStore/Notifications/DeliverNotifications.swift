import FlowModel
import Postgres

extension ClaimNotificationsCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> [ClaimedNotification] {
        var parameters = Parameters()
        parameters.append(Int64(limit))
        parameters.append(Double(leaseMilliseconds) / 1_000)
        parameters.append(Double(ageMilliseconds) / 1_000)
        let query = Query<[ClaimedNotification]>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            var claimed: [ClaimedNotification] = []
            for row in 0..<rows.count {
                let first = NotificationRow.columnCount
                claimed.append(
                    ClaimedNotification(
                        record: try NotificationRow.record(rows, row), attempt: Int(try rows.int32(row, first)),
                        claimedAt: Timestamp(microseconds: try rows.timestamp(row, first + 1)), isTooOld: try rows.bool(row, first + 2)))
            }
            return .success(claimed)
        }
        return try await store.ask(query, shard: 0, for: context)
    }

    /// Skips notifications that another server is claiming at the same time.
    static let statement = Statement(
        name: "claim_notifications",
        sql: """
            WITH due AS (
                SELECT tenant, flow_id, notification_id FROM flowstate.notification
                WHERE next_attempt_at <= statement_timestamp() ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED)
            UPDATE flowstate.notification n
            SET attempts = n.attempts + 1, next_attempt_at = CASE
                WHEN n.created_at > statement_timestamp() - make_interval(secs => $3)
                THEN statement_timestamp() + make_interval(secs => $2) END
            FROM due d
            WHERE n.tenant = d.tenant AND n.flow_id = d.flow_id AND n.notification_id = d.notification_id
            RETURNING \(NotificationRow.columns), n.attempts, statement_timestamp(), n.next_attempt_at IS NULL
            """,
        parameterTypes: [.int8, .float8, .float8])
}

extension SettleNotificationCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Void {
        let record = claimed.record
        var parameters = Parameters()
        parameters.append(record.key.tenant)
        parameters.append(record.key.flowID)
        parameters.append(record.id)
        parameters.append(Int32(clamping: claimed.attempt))
        parameters.append(result == .delivered)
        if case .failed(let seconds) = result { parameters.append(seconds) } else { parameters.append(nil as Double?) }
        let query = Query<Void>(statement: Self.statement, parameters: parameters) { _ in .success(()) }
        return try await store.ask(query, shard: 0, for: context)
    }

    private static let statement = Statement(
        name: "settle_notification",
        sql: """
            UPDATE flowstate.notification n
            SET delivered_at = CASE WHEN $5 THEN statement_timestamp() ELSE n.delivered_at END,
                next_attempt_at = CASE WHEN NOT $5 AND n.acknowledged_at IS NULL AND n.delivered_at IS NULL
                    THEN statement_timestamp() + make_interval(secs => $6) END
            WHERE n.tenant = $1 AND n.flow_id = $2 AND n.notification_id = $3 AND ($5 OR n.attempts = $4)
            """,
        parameterTypes: [.text, .text, .text, .int4, .bool, .float8])
}
