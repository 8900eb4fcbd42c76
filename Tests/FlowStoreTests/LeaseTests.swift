import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// Leases: one holder at a time, and tokens that only grow.
struct LeaseTests {
    private func flow(_ function: String = #function) async throws -> (store: StateStore, key: FlowKey) {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(function), "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{}")))
        return (store, key)
    }

    private func acquire(_ store: StateStore, _ key: FlowKey, _ holder: String, wait: Int64 = 0) async throws -> FlowLease {
        try await store.run(AcquireLeaseCommand(key: key, actor: "a", holder: holder, ttlMilliseconds: 60_000, waitMilliseconds: wait))
    }

    private func save(_ key: FlowKey, token: Int64?, expected: FlowVersion? = nil) -> SaveCommand {
        var command = SaveCommand(
            key: key, actor: "a", state: json("{}"), precondition: expected.map { .expected($0) } ?? .none)
        command.leaseToken = token
        return command
    }

    /// As if the time had passed.
    private func expire(_ key: FlowKey) async throws {
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow SET lease_expires_at = now() - interval '1 second' WHERE tenant = $1", [.text],
            { $0.append(key.tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
    }

    @Test func saveNeedsTheCurrentToken() async throws {
        let (store, key) = try await flow()
        let first = try await acquire(store, key, "one")
        #expect(first.token == 1)
        #expect(try await store.run(save(key, token: 1)).version == 2)
        try await expire(key)
        // Its time is over, but no one else has it.
        #expect(try await store.run(save(key, token: 1)).version == 3)
        let second = try await acquire(store, key, "two")
        #expect(second.token == 2)
        let lost = StateError.leaseLost(flowID: "f", holder: "two", token: 2)
        #expect(await refusal { try await store.run(save(key, token: 1)) } == lost)
        #expect(await refusal { try await store.run(save(key, token: 1, expected: 1)) } == lost)
        #expect(await refusal { try await store.run(save(key, token: 3)) } == lost)
        #expect(try await store.run(save(key, token: 2)).version == 4)
        // A save without a token is not fenced.
        #expect(try await store.run(save(key, token: nil)).version == 5)
    }

    @Test func aLeaseThatWasGivenBackAllowsNoSave() async throws {
        let (store, key) = try await flow()
        let lease = try await acquire(store, key, "one")
        for _ in 0..<2 { try await store.run(ReleaseLeaseCommand(key: key, actor: "a", token: lease.token)) }
        #expect(try await store.run(GetLeaseCommand(key: key)) == nil)
        let lost = StateError.leaseLost(flowID: "f", holder: "", token: 1)
        #expect(await refusal { try await store.run(save(key, token: 1)) } == lost)
        #expect(await refusal { try await store.run(RenewLeaseCommand(key: key, token: 1)) } == lost)
        #expect(try await acquire(store, key, "one").token == 2)
    }

    @Test func deletionEndsALeaseForGood() async throws {
        let (store, key) = try await flow()
        _ = try await acquire(store, key, "one")
        _ = try await store.run(DeleteFlowCommand(key: key, actor: "a"))
        for error in [
            await refusal { try await acquire(store, key, "two") },
            await refusal { try await store.run(RenewLeaseCommand(key: key, token: 1)) },
            await refusal { try await store.run(save(key, token: 1)) },
            await refusal { try await store.run(GetLeaseCommand(key: key)) },
        ] { #expect(error == .flowNotFound(flowID: "f", deleted: true)) }
    }

    /// Saves with a token go in groups, whose statement compares it.
    @Test func groupsCompareTokens() async throws {
        let store = try await StoreCluster.store()
        let keys = try (0..<8).map { try key(freshTenant(), "f\($0)") }
        for key in keys { _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{}"))) }
        for key in keys.prefix(4) { _ = try await acquire(store, key, "one") }
        let results = try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
            for turn in 0..<80 {
                let key = keys[turn % 8]
                // The second four have no lease; a tenth of the tokens are wrong.
                let token: Int64 = turn / 8 == 5 ? 7 : 1
                group.addTask { (turn, await refusal { try await store.run(save(key, token: token)) } == nil) }
            }
            return try await group.reduce(into: [Int: Bool]()) { $0[$1.0] = $1.1 }
        }
        for (turn, isSaved) in results { #expect(isSaved == (turn % 8 < 4 && turn / 8 != 5), "\(turn)") }
        for (place, key) in keys.enumerated() { #expect(try await store.snapshot(key).head.version == (place < 4 ? 10 : 1)) }
    }

    /// Stores of two servers; each holder saves a few times with its token, and never finds another's save in between.
    @Test func contendersOfTwoServersTakeTurns() async throws {
        let (store, key) = try await flow()
        let running = try await StoreCluster.running()
        let database = try await StoreCluster.open(running.conninfo)
        let stores = [store, StateStore(database: database, limits: .defaults, logger: StoreCluster.logger)]
        let turns = try await withThrowingTaskGroup(of: (token: Int64, version: FlowVersion).self) { group in
            for number in 0..<40 {
                group.addTask {
                    let store = stores[number % 2]
                    let lease = try await acquire(store, key, "holder \(number)", wait: 60_000)
                    let before = try await store.run(save(key, token: lease.token)).version
                    #expect(try await store.run(save(key, token: lease.token, expected: before)).version == before + 1)
                    try await store.run(ReleaseLeaseCommand(key: key, actor: "a", token: lease.token))
                    return (lease.token, before)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.token < $1.token }
        }
        #expect(turns.map(\.token) == Array(1...40))
        #expect(turns.map(\.version) == Array(stride(from: 2, to: 82, by: 2)))
        #expect(try await store.snapshot(key).head.version == 81)
        await database.shutdown()
    }

    @Test func whoWaitsTooLongIsToldWhoHasIt() async throws {
        let (store, key) = try await flow()
        _ = try await acquire(store, key, "one")
        for wait: Int64 in [0, 50] {
            #expect(await refusal { try await acquire(store, key, "two", wait: wait) } == .leaseLost(flowID: "f", holder: "one", token: 1))
        }
        #expect(try await acquire(store, key, "one").token == 1)
        #expect(!store.resources.leaseLine.isOccupied(key))
    }
}
