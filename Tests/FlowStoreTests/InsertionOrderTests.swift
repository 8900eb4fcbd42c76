import FlowModel
import JSON
import Postgres
import Testing

@testable import FlowStore

/// What is newest does not depend on the clocks of the servers that made it.
struct InsertionOrderTests {
    /// As a server makes it whose clock is off by so many seconds.
    private static func id(secondsOff: Int64, _ random: UInt64) -> String {
        UUIDv7.text(nanoseconds: UInt64(clamping: SystemClock.nanoseconds + secondsOff * 1_000_000_000), random: random)
    }

    /// Clocks that are behind, right and ahead, by turns.
    private static let clocks: [Int64] = [3_600, 0, -3, -86_400, 5, 0, -1]

    private func pages<Element>(_ page: (PageToken?) async throws -> Page<Element>) async throws -> [Element] {
        var (elements, token): ([Element], PageToken?) = ([], nil)
        repeat {
            let next = try await page(token)
            elements += next.elements
            token = next.next
        } while token != nil
        return elements
    }

    /// A flow with a checkpoint at each version.
    private func flow(_ tenant: String, retention: String) async throws -> (key: FlowKey, ids: [String]) {
        let store = try await StoreCluster.store()
        let document = "{\"flow_type\": \"t\", \"on_save\": \"off\", \"phases\": [], \"retention\": \(retention)}"
        _ = try await store.run(PutDefinitionCommand(tenant: tenant, actor: "a", document: json(document)))
        let key = try key(tenant, "f")
        var ids: [String] = []
        for (number, clock) in Self.clocks.enumerated() {
            ids.append(Self.id(secondsOff: clock, UInt64(number)))
            var save = SaveCommand(key: key, actor: "a", state: json("\(number)"))
            save.flowType = "t"
            save.checkpoint = CheckpointRequest(id: ids[number], name: "c\(number)")
            _ = try await store.run(save)
        }
        return (key, ids)
    }

    @Test(arguments: [1, 2, 3, 100]) func checkpointsAreListedNewestFirst(size: Int) async throws {
        let store = try await StoreCluster.store()
        let (key, ids) = try await flow(freshTenant(), retention: "{}")
        let listed = try await pages { try await store.run(ListCheckpointsCommand(key: key, pageSize: size, pageToken: $0)) }
        #expect(listed.map(\.id) == ids.reversed())
    }

    @Test func theNewestCheckpointsStay() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let (key, ids) = try await flow(tenant, retention: "{\"versions\": 1, \"checkpoints\": 2}")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("\"last\"")))
        _ = try await store.run(CleanupCommand(tenant: tenant, actor: "a"))
        #expect(try await store.run(ListCheckpointsCommand(key: key)).elements.map(\.id) == [ids[6], ids[5]])
        #expect(try await store.snapshot(key, .checkpoint("c6")).state == json("6"))
        #expect(try await store.run(ListVersionsCommand(key: key)).elements.map(\.version) == [8, 7, 6])
    }

    /// Rows of a release that did not number them go by PostgreSQL's time, and before all others.
    @Test func whatWasMadeBeforeIsInItsOrderToo() async throws {
        let store = try await StoreCluster.store()
        let (key, ids) = try await flow(freshTenant(), retention: "{}")
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.checkpoint SET sequence_number = 0 WHERE tenant = $1 AND name < 'c4'", [.text], { $0.append(key.tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        let listed = try await pages { try await store.run(ListCheckpointsCommand(key: key, pageSize: 2, pageToken: $0)) }
        #expect(listed.map(\.id) == ids.reversed())
    }

    @Test func archivedStatesToo() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let document = "{\"flow_type\": \"t\", \"on_save\": \"off\", \"phases\": [], \"retention\": {\"versions\": 1, \"archives\": 2}}"
        _ = try await store.run(PutDefinitionCommand(tenant: tenant, actor: "a", document: json(document)))
        let key = try key(tenant, "f")
        var ids: [String] = []
        var save = SaveCommand(key: key, actor: "a", state: json("0"))
        save.flowType = "t"
        _ = try await store.run(save)
        for (number, clock) in Self.clocks.enumerated() {
            ids.append(Self.id(secondsOff: clock, UInt64(number)))
            save = SaveCommand(
                key: key, actor: "a", state: json("\(number + 1)"), precondition: .expected(FlowVersion(number + 1)), kind: .recovered)
            save.quarantine = QuarantineRequest(id: ids[number], reason: "r", violations: [])
            _ = try await store.run(save)
        }
        let listed = try await pages { try await store.run(ListQuarantineCommand(tenant: tenant, pageSize: 2, pageToken: $0)) }
        #expect(listed.map(\.id) == ids.reversed())
        _ = try await store.run(CleanupCommand(tenant: tenant, actor: "a"))
        #expect(try await store.run(ListQuarantineCommand(tenant: tenant)).elements.map(\.id) == [ids[6], ids[5]])
        let gone = GetQuarantinedCommand(tenant: tenant, id: ids[0])
        #expect(await refusal { try await store.run(gone) } == .quarantinedNotFound(id: ids[0]))
    }

    @Test func notificationsToo() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        var ids: [String] = []
        for (number, clock) in Self.clocks.enumerated() {
            ids.append(Self.id(secondsOff: clock, UInt64(number)))
            let request = NotificationRequest(id: ids[number], level: .info, title: "t", message: "m")
            let notify = NotifyCommand(key: try key(tenant, "f \(number % 2)"), version: FlowVersion(number), notification: request)
            #expect(try await store.run(notify))
        }
        let all = try await pages { try await store.run(ListNotificationsCommand(tenant: tenant, pageSize: 2, pageToken: $0)) }
        #expect(all.map(\.id) == ids.reversed())
        let some = try await pages {
            try await store.run(ListNotificationsCommand(tenant: tenant, flowID: "f 0", pageSize: 1, pageToken: $0))
        }
        #expect(some.map(\.id) == [ids[6], ids[4], ids[2], ids[0]])
    }

    @Test func tokensThatSayNothingAreRefused() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        var fingerprint = Fingerprint()
        fingerprint.combine(key.tenant)
        fingerprint.combine(key.flowID)
        for text in ["", " ", "x y", "12", "\(UInt64.max) y"] {
            let token = PageToken(list: .checkpoints, fingerprint: fingerprint, position: PageToken.Position(number: 1, text: text))
            #expect(
                await refusal { try await store.run(ListCheckpointsCommand(key: key, pageToken: token)) } == .damagedPageToken, "\(text)")
        }
    }
}
