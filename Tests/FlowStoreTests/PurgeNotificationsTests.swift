import FlowModel
import JSON
import Postgres
import Testing

@testable import FlowStore

/// Notifications do not stay for ever.
struct PurgeNotificationsTests {
    /// Notifications that were made so many minutes ago, by a server whose clock says something else; every other one is acknowledged.
    /// None of them is due for delivery.
    private static func insert(_ tenant: String, minutesAgo: [Int64]) async throws -> [String] {
        let ids = minutesAgo.enumerated().map { number, minutes in
            UUIDv7.text(nanoseconds: UInt64(clamping: minutes * 60_000_000_000), random: UInt64(number))
        }
        let sql = """
            INSERT INTO flowstate.notification
                (tenant, flow_id, notification_id, version, level, title, message, created_at, acknowledged_at)
            SELECT $1, 'f ' || n % 2, id, n, 3, 't', 'm', now() - minutes * interval '1 minute', CASE WHEN n % 2 = 0 THEN now() END
            FROM unnest($2, $3) WITH ORDINALITY i(id, minutes, n)
            """
        let count = try await StoreCluster.sql(
            sql, [.text, .textArray, .int8Array],
            { parameters in
                parameters.append(tenant)
                parameters.append(texts: ids.count) { ids[$0] }
                parameters.append(bigints: minutesAgo.count) { minutesAgo[$0] }
            }, read: { rows throws(PostgresError) in rows.affectedRows })
        #expect(count == ids.count)
        return ids
    }

    private static func list(_ store: StateStore, _ tenant: String) async throws -> [String] {
        try await store.run(ListNotificationsCommand(tenant: tenant, includesAcknowledged: true)).elements.map(\.id)
    }

    @Test func oldOnesGoAndYoungOnesStay() async throws {
        var limits = Limits()
        limits.notificationHours = 2
        let store = StateStore(database: try await StoreCluster.running().database, limits: limits, logger: StoreCluster.logger)
        let tenants = [freshTenant(), freshTenant(), freshTenant()]
        let old: [Int64] = [1_000_000, 1_440, 180, 122, 121]
        let young: [String] = try await Self.insert(tenants[0], minutesAgo: old + [119, 60, 0]).suffix(3).reversed()
        _ = try await Self.insert(tenants[1], minutesAgo: old)
        let others: [String] = try await Self.insert(tenants[2], minutesAgo: [118, 1]).reversed()

        #expect(try await store.purgeNotifications(batch: 2) == 10)
        #expect(try await Self.list(store, tenants[0]) == young)
        #expect(try await Self.list(store, tenants[1]).isEmpty)
        #expect(try await Self.list(store, tenants[2]) == others)
        #expect(try await store.purgeNotifications(batch: 2) == 0)
    }
}
