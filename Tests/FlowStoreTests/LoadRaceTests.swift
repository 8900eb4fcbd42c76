import FlowModel
import Postgres
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
