import FlowModel
import Postgres

extension StateStore {
    /// Removes every notification older than `Limits.notificationHours` by PostgreSQL's clock, acknowledged or not, in small
    /// transactions on the background connection. Call it from time to time; two servers may do so at once and share the work.
    ///
    /// - Returns: how many were removed.
    @discardableResult
    package func purgeNotifications(batch: Int = 1_000) async throws(StateError) -> Int64 {
        var parameters = Parameters()
        parameters.append(PurgeAge.seconds(hours: limits.notificationHours))
        parameters.append(Int64(batch))
        let query = Query<Int64>(statement: PurgeNotificationsSQL.purge, parameters: parameters) { rows throws(PostgresError) in
            .success(try rows.int64(0, 0))
        }
        var total: Int64 = 0
        while !Task.isCancelled {
            let count = try await runInBackground(query).get()
            total += count
            if count < Int64(batch) { break }
        }
        return total
    }
}

enum PurgeNotificationsSQL {
    /// Notifications older than `$1` seconds, at most `$2` of them, oldest first. Skips rows that another transaction has locked, to delete
    /// or acknowledge them.
    static let purge = Statement(
        name: "purge_notifications",
        sql: """
            WITH old AS (
                SELECT tenant, flow_id, notification_id FROM flowstate.notification
                WHERE created_at < statement_timestamp() - make_interval(secs => $1) ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED),
            gone AS (
                DELETE FROM flowstate.notification n USING old o
                WHERE n.tenant = o.tenant AND n.flow_id = o.flow_id AND n.notification_id = o.notification_id RETURNING 1)
            SELECT count(*) FROM gone
            """,
        parameterTypes: [.float8, .int8])
}
