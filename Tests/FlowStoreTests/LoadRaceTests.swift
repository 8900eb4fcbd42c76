import FlowModel
import Postgres
import Resources
import TestSupport
import Testing

@testable import FlowStore

/// Loads of a flow that others save and prune at the same moment.
struct LoadRaceTests {
    private func store(batchedStateBytes: Int = 1_000) async throws -> StateStore {
        var limits = Limits()
        limits.batchedStateBytes = batchedStateBytes
        limits.versionCacheBytes = 0
        return StateStore(database: try await StoreCluster.running().database, limits: limits, logger: StoreCluster.logger)
    }

    private func large(_ number: Int) -> [UInt8] {
        var random = SeededGenerator(seed: UInt64(number + 1))
        return json("{\"number\":\(number),\"text\":\"\((0..<200).map { _ in "\(random.next())" }.joined())\"}")
    }

    /// A version that is too large to go with others takes a second look, by which it may have been pruned.
    @Test func aHealthyFlowIsNeverLost() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let key = try key(tenant, "f")
        var first = SaveCommand(key: key, actor: "a", state: large(0))
        first.versionLabel = "all"
        _ = try await store.run(first)
        try await withThrowingTaskGroup { group in
            group.addTask {
                for number in 1...150 {
                    var save = SaveCommand(key: key, actor: "a", state: large(number))
                    save.versionLabel = "all"
                    let saved = try await store.run(save)
                    _ = try await store.pruneVersions(of: key, below: saved.version, actor: "a")
                }
            }
            for selector in [LoadSelector.latest, .label("all"), .time(.latest)] {
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<150 {
                            let snapshot = try await store.snapshot(key, selector)
                            #expect(snapshot.state == large(Int(snapshot.version.version) - 1), "\(selector)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// At its size a state goes with others, above it alone; it is the same.
    @Test(arguments: [-1, 0, 1]) func theSizeThatIsSentAlong(over: Int) async throws {
        let state = large(1)
        let (store, tenant) = (try await store(batchedStateBytes: state.count - over), freshTenant())
        let key = try key(tenant, "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: state))
        #expect(try await store.snapshot(key).state == state)
        #expect(try await store.snapshot(key, .version(1)).state == state)
    }

    @Test func aHeadWithoutItsVersionIsALoss() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let key = try key(tenant, "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: large(1)))
        _ = try await StoreCluster.sql(
            "DELETE FROM flowstate.flow_version WHERE tenant = $1", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        guard case .dataLoss(_, version: 1, _) = await refusal({ try await store.snapshot(key) }) else {
            Issue.record("no loss")
            return
        }
    }

    /// A load that found no room is refused without asking again, until there is room.
    @Test func aRefusedLoadAsksOnce() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let key = try key(tenant, "f")
        let budget = MemoryBudget(limit: 1 << 20)
        let others = [MemoryAccount(budget), MemoryAccount(budget)]
        let load = { (selector: LoadSelector) async throws(StateError) in
            let context = OperationContext(memory: MemoryAccount(budget))
            return try await store.load(LoadCommand(key: key, selector: selector), for: context)
        }
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: large(1)))
        // The last eighth is for small accounts.
        #expect(others[0].reserve(budget.largest) && others[1].reserve(budget.limit - budget.largest))
        let before = Instant.now
        guard case .overloaded = await refusal({ try await load(.latest) }) else {
            Issue.record("there was room")
            return
        }
        let size = try #require(store.resources.refusedLoads.size(LoadCommand(key: key), now: before))
        // However long this test takes.
        store.resources.refusedLoads.insert(LoadCommand(key: key), size: size, now: before + .seconds(3_600))

        let known = LoadCommand(key: key, ifVersionNot: 1)
        guard case .unchanged = try await store.load(known, for: OperationContext(memory: MemoryAccount(budget))) else {
            Issue.record("a load that needs no memory was refused")
            return
        }

        // What PostgreSQL answers from now on tells whether it is asked.
        _ = try await StoreCluster.sql(
            "DELETE FROM flowstate.flow_version WHERE tenant = $1", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        guard case .overloaded = await refusal({ try await load(.latest) }) else {
            Issue.record("PostgreSQL was asked")
            return
        }
        guard case .versionNotFound = await refusal({ try await load(.version(1)) }) else {
            Issue.record("another question was taken for this one")
            return
        }
        for account in others { account.releaseAll() }
        guard case .dataLoss = await refusal({ try await load(.latest) }) else {
            Issue.record("PostgreSQL was not asked")
            return
        }
    }

    /// The state that is there now may be larger or smaller than the one that a load was refused for; one copy of it stays reserved.
    @Test(arguments: [0, 200]) func whatIsThereNowCounts(words: Int) async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let key = try key(tenant, "f")
        let budget = MemoryBudget(limit: 1 << 20)
        let others = [MemoryAccount(budget), MemoryAccount(budget)]
        let account = MemoryAccount(budget)
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: large(1)))
        #expect(others[0].reserve(budget.largest) && others[1].reserve(budget.limit - budget.largest))
        _ = await refusal { try await store.load(LoadCommand(key: key), for: OperationContext(memory: account)) }
        #expect(account.reserved == 0)

        for account in others { account.releaseAll() }
        let text = (0..<words).map { "\($0) \(tenant)" }.joined(separator: " ")
        let state = json("{\"text\":\"\(text)\"}")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: state))
        let loaded = try await store.load(LoadCommand(key: key), for: OperationContext(memory: account))
        guard case .snapshot(let snapshot) = loaded else {
            Issue.record("no state")
            return
        }
        #expect(snapshot.state == state)
        // Nothing for the small one, if the refusal was forgotten meanwhile.
        #expect(account.reserved == state.count || words == 0 && account.reserved == 0, "of a state of \(state.count) bytes")
    }

    @Test func refusedLoadsAreForgotten() throws {
        let refused = RefusedLoads()
        let now = Instant(nanoseconds: 1_000)
        let load = LoadCommand(key: try key("t", "f"), selector: .label("\u{e9}"))
        #expect(refused.size(load, now: now) == nil)
        refused.insert(load, size: 7, now: now)
        #expect(refused.size(load, now: now + RefusedLoads.remembered - .nanoseconds(1)) == 7)
        var other = load
        other.selector = .label("e\u{301}")
        #expect(refused.size(other, now: now) == nil, "names are their bytes")
        #expect(refused.size(load, now: now + RefusedLoads.remembered) == nil)

        for number in 0...RefusedLoads.limit {
            refused.insert(LoadCommand(key: load.key, selector: .version(FlowVersion(number))), size: number, now: now)
        }
        #expect(refused.size(LoadCommand(key: load.key, selector: .version(1)), now: now) == nil)
        let last = LoadCommand(key: load.key, selector: .version(FlowVersion(RefusedLoads.limit)))
        #expect(refused.size(last, now: now) == RefusedLoads.limit)
    }

    /// PostgreSQL's clock ran ahead and was set back: the newest versions have times that are still to come.
    @Test func byNowTheNewestVersionIsThere() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let key = try key(tenant, "f")
        for number in 0..<3 { _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("\(number)"))) }
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow_version SET created_at = now() + interval '1 day' WHERE tenant = $1 AND version > 1", [.text],
            { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        let now = Timestamp(microseconds: SystemClock.now.microseconds + 1_000_000)
        #expect(try await store.snapshot(key, .time(now)).version.version == 3)
        let before = Timestamp(microseconds: SystemClock.now.microseconds - 3_600_000_000)
        guard case .versionNotFound = await refusal({ try await store.snapshot(key, .time(before)) }) else {
            Issue.record("nothing was there an hour ago")
            return
        }
    }

    /// Loads share statements; a flow that cannot be read fails its own.
    @Test func aFlowThatCannotBeReadHarmsNoOther() async throws {
        let tenant = freshTenant()
        let keys = try ["good", "bad"].map { try key(tenant, $0) }
        for key in keys { _ = try await StoreCluster.store().run(SaveCommand(key: key, actor: "a", state: json("{}"))) }
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow SET labels = '{\"a\": 1}' WHERE tenant = $1 AND flow_id = 'bad'", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        let store = StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
        let (results, yield) = AsyncStream.makeStream(of: (flow: String, isLoaded: Bool).self)
        for turn in 0..<60 {
            let key = keys[turn % 2]
            store.run(LoadCommand(key: key), context: OperationContext()) { yield.yield((key.flowID, (try? $0.get()) != nil)) }
        }
        var count = 0
        for await result in results {
            #expect(result.isLoaded == (result.flow == "good"))
            count += 1
            if count == 60 { break }
        }
    }
}
