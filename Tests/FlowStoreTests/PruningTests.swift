import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// A pruning that fails or ends anywhere leaves a flow that loads, restores and goes on as before.
struct PruningTests {
    private struct Flow {
        let key: FlowKey
        let states: [[UInt8]]
    }

    private func stranger() async throws -> StateStore {
        StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
    }

    private func execute(_ sql: String, _ key: FlowKey) async throws {
        _ = try await StoreCluster.sql(
            sql, [.text, .text],
            {
                $0.append(key.tenant)
                $0.append(key.flowID)
            }, read: { rows throws(PostgresError) in rows.affectedRows })
    }

    private func number(_ sql: String, _ key: FlowKey) async throws -> Int64 {
        try await StoreCluster.sql(
            sql, [.text, .text],
            {
                $0.append(key.tenant)
                $0.append(key.flowID)
            }, read: { rows throws(PostgresError) in try rows.int64(0, 0) })
    }

    private func versions(_ key: FlowKey) async throws -> [FlowVersion] {
        try await (try await stranger()).run(ListVersionsCommand(key: key, newestFirst: false, pageSize: 1_000)).elements.map(\.version)
    }

    /// A flow whose versions hardly differ, each with a checkpoint `c<version>` where `pinned` says so.
    private func flow(
        _ versions: Int, words: Int = 200, pinned: (Int) -> Bool = { _ in true }, function: String = #function
    ) async throws -> Flow {
        let key = try key(freshTenant(function), "f")
        let store = try await StoreCluster.store()
        var random = SeededGenerator(seed: 5)
        let text = (0..<words).map { _ in "\(UInt32.random(in: 0...UInt32.max, using: &random))" }.joined(separator: " ")
        var states: [[UInt8]] = []
        for version in 1...versions {
            states.append(json("{\"version\":\(version),\"text\":\"\(text)\"}"))
            var save = SaveCommand(key: key, actor: "a", state: states[version - 1])
            if pinned(version) { save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "c\(version)") }
            _ = try await store.run(save)
        }
        return Flow(key: key, states: states)
    }

    private func damage(_ version: FlowVersion, of key: FlowKey) async throws {
        try await execute(
            """
            UPDATE flowstate.flow_version
            SET state = set_byte(state, octet_length(state) / 2, get_byte(state, octet_length(state) / 2) # 255)
            WHERE tenant = $1 AND flow_id = $2 AND version = \(version)
            """, key)
    }

    /// Every checkpoint but those of `damaged` loads and is restored, by a server that knows nothing.
    private func expectRestorable(_ flow: Flow, _ versions: [Int], damaged: Set<Int> = []) async throws {
        let store = try await stranger()
        for version in versions where !damaged.contains(version) {
            #expect(try await store.snapshot(flow.key, .checkpoint("c\(version)")).state == flow.states[version - 1], "c\(version)")
            _ = try await store.run(RestoreCheckpointCommand(key: flow.key, actor: "a", checkpoint: "c\(version)"))
            #expect(try await stranger().snapshot(flow.key).state == flow.states[version - 1], "restored c\(version)")
        }
    }

    /// What a version refers to, and what that refers to.
    private func bases(of version: FlowVersion, _ key: FlowKey) async throws -> Set<FlowVersion> {
        var bases: Set<FlowVersion> = []
        var next = version
        while true {
            let sql = """
                SELECT coalesce(base_version, 0) FROM flowstate.flow_version WHERE tenant = $1 AND flow_id = $2 AND version = \(next)
                """
            next = try await number(sql, key)
            guard next > 0 else { return bases }
            bases.insert(next)
        }
    }

    @Test func aDamagedCheckpointHarmsNoOther() async throws {
        let pinned: [FlowVersion] = [3, 5, 7, 9, 11, 13]
        let flow = try await flow(16) { pinned.contains(FlowVersion($0)) }
        var used: Set<FlowVersion> = []
        for version in pinned { used.formUnion(try await bases(of: version, flow.key)) }
        let damaged = try #require(pinned.first { !used.contains($0) })
        try await damage(damaged, of: flow.key)
        let held = try await bases(of: damaged, flow.key)
        let store = try await StoreCluster.store()
        let pruned = try await store.pruneVersions(of: flow.key, below: 16, actor: "a")
        guard case .dataLoss(_, damaged, _) = pruned.damage else {
            Issue.record("\(pruned)")
            return
        }
        #expect(try await versions(flow.key) == held.union(pinned + [16]).sorted())
        try await expectRestorable(flow, pinned.map { Int($0) }, damaged: [Int(damaged)])
        #expect(try await store.pruneVersions(of: flow.key, below: 16, actor: "a").versions == 0)
    }

    /// The base of all is damaged: nothing above it reads, and nothing is made worse.
    @Test func aDamagedBaseHarmsNothingElse() async throws {
        let pinned: [FlowVersion] = [3, 5]
        let flow = try await flow(8) { pinned.contains(FlowVersion($0)) }
        try await damage(1, of: flow.key)
        var held: Set<FlowVersion> = [8]
        for version in pinned + [8] { held.formUnion(try await bases(of: version, flow.key)) }
        let pruned = try await StoreCluster.store().pruneVersions(of: flow.key, below: 8, actor: "a")
        #expect(pruned.damage != nil)
        #expect(try await versions(flow.key) == held.union(pinned).sorted())
        _ = try await StoreCluster.store().run(SaveCommand(key: flow.key, actor: "a", state: json("{}")))
        #expect(try await stranger().snapshot(flow.key).state == json("{}"))
    }

    /// After each of its transactions, as if the server had been killed there.
    @Test func itMayEndAnywhere() async throws {
        let pinned = [4, 9, 14, 20]
        for end in 1...12 {
            let flow = try await flow(24) { pinned.contains($0) }
            var steps = 0
            _ = try await StoreCluster.store().pruneVersions(of: flow.key, below: 22, actor: "a", step: 4) { _ in
                steps += 1
                return steps < end
            }
            let left = try await versions(flow.key)
            let store = try await stranger()
            for version in left {
                #expect(try await store.snapshot(flow.key, .version(version)).state == flow.states[Int(version) - 1], "\(end): \(version)")
            }
            try await expectRestorable(flow, pinned)
            let newest = try await store.snapshot(flow.key).version.version
            _ = try await StoreCluster.store().pruneVersions(of: flow.key, below: newest, actor: "a")
            #expect(try await versions(flow.key) == (pinned + [Int(newest)]).map { FlowVersion($0) })
            try await expectRestorable(flow, pinned)
        }
    }

    /// The floor is raised, and then it is killed: restores and saves go on, in the long run too.
    @Test func aRaisedFloorAloneHarmsNobody() async throws {
        let flow = try await flow(10) { $0 < 10 }
        try await execute("UPDATE flowstate.flow SET base_floor = version WHERE tenant = $1 AND flow_id = $2", flow.key)
        try await expectRestorable(flow, Array(2...9))
        let state = flow.states[8] + json(" ")
        for store in [try await StoreCluster.store(), try await stranger()] {
            _ = try await store.run(SaveCommand(key: flow.key, actor: "a", state: state))
            #expect(try await stranger().snapshot(flow.key).state == state)
        }
    }

    /// States of some size go through three others.
    @Test(arguments: [2, 17, 40, 59]) func chainsOfAnyDepthStayWhole(floor: Int) async throws {
        let key = try key(freshTenant("deep\(floor)"), "f")
        let store = try await stranger()
        try await store.readPatchDepth()
        var random = SeededGenerator(seed: UInt64(floor))
        var states: [[UInt8]] = []
        var text = "start"
        for version in 1...60 {
            // The first is large, so that each later one differs from it by more than a little.
            for _ in 0..<(version == 1 ? 2_000 : 60) { text += " \(UInt32.random(in: 0...UInt32.max, using: &random))" }
            states.append(json("{\"version\":\(version),\"text\":\"\(text)\"}"))
            var save = SaveCommand(key: key, actor: "a", state: states[version - 1])
            if version % 7 == 0 { save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "c\(version)") }
            _ = try await store.run(save)
        }
        let depth = """
            WITH RECURSIVE d(version, depth) AS (
                SELECT version, 0 FROM flowstate.flow_version WHERE tenant = $1 AND flow_id = $2 AND base_version IS NULL
                UNION ALL SELECT v.version, d.depth + 1 FROM d JOIN flowstate.flow_version v
                    ON v.tenant = $1 AND v.flow_id = $2 AND v.base_version = d.version)
            SELECT max(depth)::int8 FROM d
            """
        #expect(try await number(depth, key) == Int64(VersionChain.maximumDepth))
        for name in ["first", "again"] {
            _ = try await store.pruneVersions(of: key, below: FlowVersion(floor), actor: "a", step: 5)
            let left = try await versions(key)
            #expect(left == (1...60).filter { $0 >= floor || $0 % 7 == 0 }.map { FlowVersion($0) }, "\(name)")
            let stranger = try await stranger()
            for version in left.shuffled(using: &random) {
                #expect(try await stranger.snapshot(key, .version(version)).state == states[Int(version) - 1], "\(name): \(version)")
            }
        }
        #expect(try await number(depth, key) <= Int64(VersionChain.maximumDepth))
        try await expectRestorable(Flow(key: key, states: states), [7, 14, 56])
    }

    @Test func checkpointsStayPatchesAmongThemselves() async throws {
        let flow = try await flow(40, words: 2_000) { $0 % 2 == 0 }
        let before = try await number(
            "SELECT sum(octet_length(state))::int8 FROM flowstate.flow_version WHERE tenant = $1 AND flow_id = $2", flow.key)
        _ = try await StoreCluster.store().pruneVersions(of: flow.key, below: 40, actor: "a")
        let after = try await number(
            "SELECT sum(octet_length(state))::int8 FROM flowstate.flow_version WHERE tenant = $1 AND flow_id = $2", flow.key)
        #expect(after < 2 * before, "\(before) bytes were stored, \(after) are")
        try await expectRestorable(flow, Array(stride(from: 2, through: 40, by: 2)))
        // The one that the others are stored against goes, too.
        for version in [2, 4] {
            _ = try await StoreCluster.store().run(DeleteCheckpointCommand(key: flow.key, actor: "a", checkpoint: "c\(version)"))
        }
        let newest = try await stranger().snapshot(flow.key).version.version
        _ = try await StoreCluster.store().pruneVersions(of: flow.key, below: newest, actor: "a")
        try await expectRestorable(flow, Array(stride(from: 6, through: 40, by: 2)))
    }

    /// A portion takes no more bytes than a batch, nor more versions than are allowed; one version is always taken.
    @Test(arguments: [(1, Int64.max, 1), (100_000, 5, 5), (100_000, 1, 1), (100_000, .max, 29)] as [(Int, Int64, Int)])
    func portionsAreBounded(batchBytes: Int, step: Int64, largest: Int) async throws {
        let flow = try await flow(30) { _ in false }
        var limits = Limits()
        limits.batchBytes = batchBytes
        let store = StateStore(database: try await StoreCluster.running().database, limits: limits, logger: StoreCluster.logger)
        var portions: [Int64] = []
        _ = try await store.pruneVersions(of: flow.key, below: 30, actor: "a", step: step) {
            portions.append($0.versions)
            return true
        }
        #expect(portions.max() == Int64(largest) && portions.reduce(0, +) == 29, "\(portions)")
    }

    @Test(arguments: [0, 1, 7, 29, 30]) func theLimitIsExact(limit: Int64) async throws {
        let flow = try await flow(30) { _ in false }
        let pruned = try await StoreCluster.store().pruneVersions(of: flow.key, below: 30, actor: "a", step: 4, limit: limit)
        #expect(pruned.versions == min(limit, 29))
        #expect(try await versions(flow.key).count == 30 - Int(min(limit, 29)))
    }

    /// A session that holds a version makes the pruning give up without having removed it, and without waiting.
    @Test func aLockedVersionIsLeft() async throws {
        let flow = try await flow(6) { _ in false }
        let database = try await StoreCluster.open(try await StoreCluster.running().conninfo)
        let store = StateStore(database: database, limits: .defaults, logger: StoreCluster.logger)
        let holder = try await LockHolder.hold(
            "SELECT version FROM flowstate.flow_version WHERE tenant = '\(flow.key.tenant)' AND version = 3 FOR KEY SHARE")
        #expect(await refusal { try await store.pruneVersions(of: flow.key, below: 6, actor: "a") } == .contention)
        #expect(try await versions(flow.key).count == 6)
        try await holder.release()
        #expect(try await store.pruneVersions(of: flow.key, below: 6, actor: "a").versions == 5)
        await database.shutdown()
    }

    /// Not "try again": it would be the same for ever.
    @Test func aCheckpointWhoseBaseHasGoneIsALoss() async throws {
        let flow = try await flow(4) { $0 == 3 }
        try await execute("DELETE FROM flowstate.flow_version WHERE tenant = $1 AND flow_id = $2 AND version < 3", flow.key)
        let restore = RestoreCheckpointCommand(key: flow.key, actor: "a", checkpoint: "c3")
        guard case .dataLoss(_, version: 3, _) = await refusal({ try await stranger().run(restore) }) else {
            Issue.record("no loss")
            return
        }
    }

    /// What a save refers to must be there, whatever this server remembers: a restored backup may have forgotten it.
    @Test(arguments: [true, false]) func aBaseThatTheDatabaseNeverHadIsNotReferredTo(flowIsThere: Bool) async throws {
        let flow = try await flow(6) { _ in false }
        for (table, condition) in [("flow_version", flowIsThere ? "version > 2" : "true"), ("flow", flowIsThere ? "false" : "true")] {
            try await execute("DELETE FROM flowstate.\(table) WHERE tenant = $1 AND flow_id = $2 AND \(condition)", flow.key)
        }
        try await execute("UPDATE flowstate.flow SET version = 2 WHERE tenant = $1 AND flow_id = $2", flow.key)
        let store = try await StoreCluster.store()
        let chain = store.resources.cache.lookup(flow.key)?.chain
        #expect(chain != nil, "this server remembers")
        let state = flow.states[5] + json(" ")
        #expect(try await store.run(SaveCommand(key: flow.key, actor: "a", state: state)).version == (flowIsThere ? 3 : 1))
        #expect(try await stranger().snapshot(flow.key).state == state)
    }
}

/// A transaction of another session that holds locks until it is told to let go.
struct LockHolder {
    private let database: Database
    private let transaction: Task<Void, any Error>

    static func hold(_ sql: String) async throws -> LockHolder {
        let conninfo = try await StoreCluster.running().conninfo
        var configuration = Database.Configuration(conninfo: conninfo)
        configuration.applicationName = "holder \(UInt64.random(in: 0 ... .max))"
        let database = try Database(configuration: configuration, logger: StoreCluster.logger)
        database.start()
        _ = await database.waitUntilAvailable()
        let statements = [sql, "SELECT pg_sleep(600)"].enumerated().map {
            (Postgres.Statement(name: "hold \($0)", sql: $1, parameterTypes: []), Parameters())
        }
        let transaction = Task { _ = try await database.writer(shard: 0).run(StatementList(statements: statements) { $0.count }) }
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '\(configuration.applicationName)' AND wait_event = 'PgSleep'"
        while try await StoreCluster.sql(waits, read: { rows throws(PostgresError) in try rows.int64(0, 0) }) == 0 { await Task.yield() }
        return LockHolder(database: database, transaction: transaction)
    }

    func release() async throws {
        let name = database.configuration.applicationName
        _ = try await StoreCluster.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '\(name)' AND wait_event = 'PgSleep'",
            read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        _ = try? await transaction.value
        await database.shutdown()
    }
}
