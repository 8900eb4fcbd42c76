import FlowModel
import Foundation
import Postgres
import Resources
import TestSupport
import Testing

@testable import FlowStore

/// Clean-ups, restores, saves, checkpoints and killed sessions together, against what was answered: every version that is there reads as it
/// was saved, every checkpoint is restorable, nothing that retention keeps has gone. `FLOWSTATE_CLEANUP_SECONDS` lets it run for longer.
struct CleanupOracleTests {
    private static let seconds = Double(ProcessInfo.processInfo.environment["FLOWSTATE_CLEANUP_SECONDS"] ?? "") ?? 3

    /// What was answered about one flow.
    private actor Oracle {
        private(set) var states: [FlowVersion: [UInt8]] = [:]
        private(set) var newest: FlowVersion = 0

        func saved(_ version: FlowVersion, _ state: [UInt8]) {
            states[version] = state
            newest = max(newest, version)
        }
    }

    private struct Flow: Sendable {
        let key: FlowKey
        let oracle = Oracle()
    }

    private static func isOutage(_ error: any Error) -> Bool {
        if case .databaseUnavailable = error as? StateError { return true }
        return false
    }

    @Test func nothingIsLostWhateverHappensTogether() async throws {
        let seed = UInt64.random(in: 1...1_000_000)
        print("clean-up oracle, seed \(seed)")
        let tenant = freshTenant()
        let conninfo = try await StoreCluster.running().conninfo
        let databases = [try await Self.open(conninfo, tenant), try await Self.open(conninfo, tenant)]
        let stores = databases.map { StateStore(database: $0, limits: .defaults, logger: StoreCluster.logger) }
        let document = "{\"flow_type\": \"t\", \"on_save\": \"off\", \"phases\": [], \"retention\": {\"versions\": 3, \"checkpoints\": 4}}"
        _ = try await stores[0].run(PutDefinitionCommand(tenant: tenant, actor: "a", document: json(document)))
        let flows = try (0..<4).map { Flow(key: try key(tenant, "f\($0)")) }
        let end = Instant.now + .seconds(Self.seconds)
        let (answers, answered) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, store) in (stores + stores).enumerated() {
                group.addTask {
                    var random = SeededGenerator(seed: seed &+ UInt64(number) &* 7_919)
                    while Instant.now < end {
                        let flow = flows[Int.random(in: 0..<4, using: &random)]
                        if try await Self.change(store, flow, &random) { answered.yield() }
                    }
                    answered.finish()
                }
            }
            group.addTask {
                while Instant.now < end {
                    do {
                        _ = try await stores[1].run(CleanupCommand(tenant: tenant, maximumRows: 50, actor: "a"))
                    } catch  where Self.isOutage(error) {}
                }
            }
            group.addTask { try await Self.kill(tenant, between: answers, seed) }
            try await group.waitForAll()
        }
        for database in databases { await database.shutdown() }
        try await Self.check(flows, seed)
    }

    private static func open(_ conninfo: String, _ tenant: String) async throws -> Database {
        var configuration = Database.Configuration(conninfo: conninfo)
        configuration.settings = StoreSchema.sessionSettings
        configuration.backgroundSettings = StoreSchema.backgroundSettings
        configuration.applicationName = String(tenant.suffix(40))
        let database = try Database(configuration: configuration, logger: StoreCluster.logger)
        database.start()
        _ = await database.waitUntilAvailable()
        return database
    }

    /// - Returns: whether it was answered; false while the database is away.
    private static func change(_ store: StateStore, _ flow: Flow, _ random: inout SeededGenerator) async throws -> Bool {
        do {
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                let checkpoints = try await store.run(ListCheckpointsCommand(key: flow.key)).elements
                guard let checkpoint = checkpoints.randomElement(using: &random) else { return true }
                let restored = try await store.run(RestoreCheckpointCommand(key: flow.key, actor: "a", checkpoint: checkpoint.id))
                if let state = await flow.oracle.states[checkpoint.version] { await flow.oracle.saved(restored.version, state) }
            case 1:
                _ = try await store.run(
                    CreateCheckpointCommand(key: flow.key, actor: "a", checkpoint: CheckpointRequest(id: IDGenerator.next())))
            case 2:
                let snapshot = try await store.snapshot(flow.key)
                if let state = await flow.oracle.states[snapshot.version.version] { #expect(snapshot.state == state) }
            default:
                let text = (0..<60).map { "\($0 % 9 == 0 ? Int.random(in: 0..<1_000, using: &random) : $0 * 7_919)" }.joined(separator: " ")
                var save = SaveCommand(key: flow.key, actor: "a", state: json("{\"text\":\"\(text)\"}"))
                save.flowType = "t"
                if Int.random(in: 0..<5, using: &random) == 0 { save.checkpoint = CheckpointRequest(id: IDGenerator.next()) }
                await flow.oracle.saved(try await store.run(save).version, save.state)
            }
        } catch  where isOutage(error) {
            return false
        } catch StateError.flowNotFound, StateError.checkpointNotFound, StateError.versionNotFound {}
        return true
    }

    /// Ends sessions of the two servers, some of them in the middle of a clean-up. Between two of them come a number of answers, so the
    /// servers have found new sessions. Returns when the answers end.
    private static func kill(_ tenant: String, between answers: AsyncStream<Void>, _ seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed &* 31)
        var left = 0
        for await _ in answers {
            left -= 1
            guard left < 0 else { continue }
            left = Int.random(in: 10...200, using: &random)
            _ = try await StoreCluster.sql(
                """
                SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = $1
                    ORDER BY random() LIMIT 1) s
                """, [.text], { $0.append(String(tenant.suffix(40))) }, read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        }
    }

    private static func check(_ flows: [Flow], _ seed: UInt64) async throws {
        let stranger = StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
        for flow in flows {
            let states = await flow.oracle.states
            let head = try await stranger.snapshot(flow.key)
            #expect(await flow.oracle.newest <= head.version.version, "seed \(seed): an acknowledged save has gone")
            let versions = try await stranger.run(ListVersionsCommand(key: flow.key, pageSize: 1_000)).elements.map(\.version)
            for version in versions {
                let snapshot = try await stranger.snapshot(flow.key, .version(version))
                if let state = states[version] { #expect(snapshot.state == state, "seed \(seed), version \(version)") }
            }
            let newest = Array((max(1, head.version.version - 2)...head.version.version).reversed())
            #expect(Array(versions.prefix(newest.count)) == newest, "seed \(seed): the newest three stay")
            for checkpoint in try await stranger.run(ListCheckpointsCommand(key: flow.key, pageSize: 1_000)).elements {
                let restored = try await stranger.run(RestoreCheckpointCommand(key: flow.key, actor: "a", checkpoint: checkpoint.id))
                let snapshot = try await stranger.snapshot(flow.key, .version(restored.version))
                if let state = states[checkpoint.version] { #expect(snapshot.state == state, "seed \(seed), \(checkpoint)") }
            }
            _ = try await stranger.run(CleanupCommand(tenant: flow.key.tenant, actor: "a"))
            let checkpoints = try await stranger.run(ListCheckpointsCommand(key: flow.key)).elements
            #expect(checkpoints.count <= 4, "seed \(seed)")
            for checkpoint in checkpoints { _ = try await stranger.snapshot(flow.key, .checkpoint(checkpoint.id)) }
        }
    }
}
