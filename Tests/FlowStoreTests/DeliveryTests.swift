import FlowModel
import Testing

@testable import FlowStore

/// Claims are of whatever tenant, so these run one by one and look at their own.
@Suite(.serialized) struct DeliveryTests {
    private func notify(_ tenant: String, _ count: Int) async throws -> StateStore {
        let store = try await StoreCluster.store()
        for number in 1...count {
            let request = NotificationRequest(id: IDGenerator.next(), level: .error, title: "t", message: "\(number)")
            let isMade = try await store.run(
                NotifyCommand(key: try key(tenant, "f"), version: FlowVersion(number), notification: request))
            #expect(isMade)
        }
        return store
    }

    private func claim(_ store: StateStore, _ tenant: String, lease: Int64 = 3_600_000, age: Int64 = 3_600_000) async throws
        -> [ClaimedNotification]
    {
        var found: [ClaimedNotification] = []
        while true {
            let claimed = try await store.run(ClaimNotificationsCommand(limit: 3, leaseMilliseconds: lease, ageMilliseconds: age))
            found += claimed.filter { $0.record.key.tenant == tenant }
            if claimed.isEmpty || found.count >= 3 { return found }
        }
    }

    @Test func eachIsClaimedByOne() async throws {
        let tenant = freshTenant()
        let store = try await notify(tenant, 40)
        let claimed = try await withThrowingTaskGroup(of: [ClaimedNotification].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var all: [ClaimedNotification] = []
                    while true {
                        let some = try await store.run(
                            ClaimNotificationsCommand(limit: 3, leaseMilliseconds: 3_600_000, ageMilliseconds: 3_600_000))
                        if some.isEmpty { return all }
                        all += some.filter { $0.record.key.tenant == tenant }
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(claimed.count == 40 && Set(claimed.map(\.record.id)).count == 40)
        #expect(claimed.allSatisfy { $0.attempt == 1 && !$0.isTooOld })
    }

    @Test func aFailureComesAgainAndAnEndDoesNot() async throws {
        let tenant = freshTenant()
        let store = try await notify(tenant, 1)
        let first = try #require(try await claim(store, tenant).first)
        try await store.run(SettleNotificationCommand(first, .failed(nextAttemptInSeconds: 0)))
        let second = try #require(try await claim(store, tenant).first)
        #expect(second.record == first.record && second.attempt == 2 && second.claimedAt > first.claimedAt)
        // Late news of the first attempt.
        try await store.run(SettleNotificationCommand(first, .failed(nextAttemptInSeconds: 0)))
        #expect(try await claim(store, tenant).isEmpty)
        try await store.run(SettleNotificationCommand(second, .delivered))
        try await store.run(SettleNotificationCommand(second, .failed(nextAttemptInSeconds: 0)))
        #expect(try await claim(store, tenant).isEmpty)
    }

    @Test func aClaimRunsOut() async throws {
        let tenant = freshTenant()
        let store = try await notify(tenant, 1)
        #expect(try await claim(store, tenant, lease: 0).first?.attempt == 1)
        let again = try #require(try await claim(store, tenant).first)
        try await store.run(SettleNotificationCommand(again, .givenUp))
        #expect(try await claim(store, tenant).isEmpty)
    }

    @Test func whatIsTooOldOrAcknowledgedIsLeft() async throws {
        let tenant = freshTenant()
        let store = try await notify(tenant, 2)
        let page = try await store.run(ListNotificationsCommand(tenant: tenant))
        _ = try await store.run(AcknowledgeNotificationCommand(tenant: tenant, actor: "a", id: page.elements[0].id))
        let claimed = try await claim(store, tenant, age: 0)
        #expect(claimed.map(\.record.id) == [page.elements[1].id] && claimed[0].isTooOld)
        #expect(try await claim(store, tenant).isEmpty)
    }

    /// Somebody saw it while it was on its way.
    @Test func whatIsAcknowledgedMeanwhileIsNotTriedAgain() async throws {
        let tenant = freshTenant()
        let store = try await notify(tenant, 1)
        let claimed = try #require(try await claim(store, tenant).first)
        _ = try await store.run(AcknowledgeNotificationCommand(tenant: tenant, actor: "a", id: claimed.record.id))
        try await store.run(SettleNotificationCommand(claimed, .failed(nextAttemptInSeconds: 0)))
        #expect(try await claim(store, tenant).isEmpty)
    }
}
