import FlowModel
import Postgres

extension StateStore {
    /// Removes every notification older than `Limits.notificationHours`, whether somebody acknowledged it or not, a tenant after the other,
    /// in small transactions on the background connection. Call it from time to time; two servers at once only find less to do.
    ///
    /// - Returns: how many were removed.
    @discardableResult
    public func purgeNotifications(batch: Int = 1_000) async throws(StateError) -> Int64 {
        let end = firstNotificationKept
        var total: Int64 = 0
        var last = ""
        while !Task.isCancelled, let tenant = try await nextTenantWithNotifications(after: last) {
            while !Task.isCancelled {
                let count = try await purgeNotifications(of: tenant, before: end, limit: batch)
                total += count
                if count < Int64(batch) { break }
            }
            last = tenant
        }
        return total
    }

    /// An id says when it was made: what stays has this one or a higher one.
    private var firstNotificationKept: String {
        let (age, isForEver) = limits.notificationHours.multipliedReportingOverflow(by: 3_600_000_000_000)
        let nanoseconds = SystemClock.nanoseconds - (isForEver ? .max : age)
        return UUIDv7.text(nanoseconds: UInt64(clamping: nanoseconds), random: 0)
    }

    private func nextTenantWithNotifications(after last: String) async throws(StateError) -> String? {
        var parameters = Parameters()
        parameters.append(last)
        let query = Query<String?>(statement: PurgeNotificationsSQL.nextTenant, parameters: parameters) { rows throws(PostgresError) in
            .success(try rows.count > 0 ? rows.text(0, 0) : nil)
        }
        return try await runInBackground(query).get()
    }

    private func purgeNotifications(of tenant: String, before end: String, limit: Int) async throws(StateError) -> Int64 {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(end)
        parameters.append(Int64(limit))
        let query = Query<Int64>(statement: PurgeNotificationsSQL.purge, parameters: parameters) { rows throws(PostgresError) in
            .success(try rows.int64(0, 0))
        }
        return try await runInBackground(query).get()
    }
}

private enum PurgeNotificationsSQL {
    /// `$1`: the tenant before.
    static let nextTenant = Statement(
        name: "purge_notifications_tenant",
        sql: "SELECT n.tenant FROM flowstate.notification n WHERE n.tenant > $1 ORDER BY n.tenant LIMIT 1", parameterTypes: [.text])

    /// Of a tenant (`$1`), with an id below `$2`, so many (`$3`), oldest first. Skips what another server is deleting, or somebody
    /// acknowledging, at the same time.
    static let purge = Statement(
        name: "purge_notifications",
        sql: """
            WITH old AS (
                SELECT tenant, flow_id, notification_id FROM flowstate.notification
                WHERE tenant = $1 AND notification_id < $2 ORDER BY notification_id LIMIT $3 FOR UPDATE SKIP LOCKED),
            gone AS (
                DELETE FROM flowstate.notification n USING old o
                WHERE n.tenant = o.tenant AND n.flow_id = o.flow_id AND n.notification_id = o.notification_id RETURNING 1)
            SELECT count(*) FROM gone
            """,
        parameterTypes: [.text, .text, .int8])
}
