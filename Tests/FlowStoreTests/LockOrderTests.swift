import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// Two servers whose batches touch the same flows wait for each other, whatever the kinds of their changes: none waits for a flow while it
/// holds one that comes later in the order of the shards.
@Suite(.serialized, .timeLimit(.minutes(5))) struct LockOrderTests {
    /// What a server does to a flow that appears when its batch is under way.
    enum Step: String, CaseIterable {
        case save, saveWithCheckpoint, saveOfParent, createCheckpoint, deleteCheckpoint, restore, delete

        func run(_ key: FlowKey, on store: StateStore) async throws(StateError) {
            var save = SaveCommand(key: key, actor: "a", state: json("{}"))
            switch self {
            case .save: break
            case .saveWithCheckpoint: save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: IDGenerator.next())
            case .saveOfParent: save.parentVersion = 1
            case .createCheckpoint:
                let checkpoint = CheckpointRequest(id: IDGenerator.next(), name: IDGenerator.next())
                _ = try await store.run(CreateCheckpointCommand(key: key, actor: "a", checkpoint: checkpoint))
                return
            case .deleteCheckpoint:
                _ = try await store.run(DeleteCheckpointCommand(key: key, actor: "a", checkpoint: "point"))
                return
            case .restore:
                _ = try await store.run(RestoreCheckpointCommand(key: key, actor: "a", checkpoint: "point"))
                return
            case .delete:
                _ = try await store.run(DeleteFlowCommand(key: key, actor: "a"))
                return
            }
            _ = try await store.run(save)
        }
    }

    @Test(arguments: Step.allCases) func aFlowThatAppearsIsNotWaitedForOutOfTurn(step: Step) async throws {
        let servers = try await TwoServers.start("appears_\(step.rawValue.lowercased())")
        let (early, late) = try servers.keys()
        _ = try await servers.one.run(SaveCommand(key: late, actor: "a", state: json("{}")))
        let held = try await servers.hold(late)
        // The first server's batch locks what there is of its flows, and waits for the later one.
        let first = try await servers.inOneBatch(
            of: servers.one, [{ try await step.run(early, on: $0) }, { try await Self.saveWithKey(late, on: $0) }])
        try await servers.waitForWaiting(2)
        var creation = SaveCommand(key: early, actor: "a", state: json("{}"), precondition: .expected(0))
        creation.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "point")
        _ = try await servers.other.run(creation)
        // The second one's finds both, and waits behind the first.
        let second = try await servers.inOneBatch(
            of: servers.other, [{ try await Step.saveWithCheckpoint.run(early, on: $0) }, { try await Self.saveWithKey(late, on: $0) }])
        try await servers.waitForWaiting(3)
        try await servers.release(held)
        for task in first + second { try await task.value }
        #expect(try await servers.end() == 0)
    }

    /// An INSERT waits for a change of the row that it conflicts with, even if it does nothing then.
    @Test func aFlowThatIsThereIsNotWaitedForOutOfTurn() async throws {
        let servers = try await TwoServers.start("there")
        let (early, late) = try servers.keys()
        for key in [early, late] { _ = try await servers.one.run(SaveCommand(key: key, actor: "a", state: json("{}"))) }
        let held = try await servers.hold(late)
        let first = try await servers.inOneBatch(
            of: servers.one,
            [
                { store in
                    let creation = SaveCommand(key: early, actor: "a", state: json("{}"), precondition: .expected(0))
                    let error = await refusal { try await store.run(creation) }
                    guard case .versionConflict(_, expected: 0, _) = error else { throw error ?? .internalFault("it was made") }
                }, { try await Self.saveWithKey(late, on: $0) },
            ])
        try await servers.waitForWaiting(2)
        // One statement: it changes the earlier flow, and waits for the later one.
        let second = try await servers.inOneBatch(
            of: servers.other, [early, late].map { key in { _ = try await $0.run(SaveCommand(key: key, actor: "a", state: json("{}"))) } })
        try await servers.waitForWaiting(3)
        try await servers.release(held)
        for task in first + second { try await task.value }
        #expect(try await servers.end() == 0)
    }

    private static func saveWithKey(_ key: FlowKey, on store: StateStore) async throws {
        var save = SaveCommand(key: key, actor: "a", state: json("{}"))
        save.idempotencyKey = IDGenerator.next()
        _ = try await store.run(save)
    }
}

/// Two servers with one writer each on a database of their own, whose batches the test composes, and a transaction beside them.
private struct TwoServers {
    let one: StateStore
    let other: StateStore
    /// Holds what a transaction waits for: session locks, numbered.
    private let gates: Database
    private let beside: Database
    private let conninfo: String

    static func start(_ name: String) async throws -> TwoServers {
        let conninfo = try await StoreCluster.ownDatabase("lock_order_\(name)")
        let databases = try await withThrowingTaskGroup(of: Database.self) { group in
            for _ in 0..<4 { group.addTask { try await database(conninfo) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let stores = databases.prefix(2).map { StateStore(database: $0, limits: Limits(), logger: StoreCluster.logger) }
        return TwoServers(one: stores[0], other: stores[1], gates: databases[2], beside: databases[3], conninfo: conninfo)
    }

    private static func database(_ conninfo: String) async throws -> Database {
        var configuration = Database.Configuration(conninfo: conninfo)
        configuration.settings = StoreSchema.sessionSettings
        configuration.writers = 1
        // Nobody gives up: what is shown is whether they can go on. A deadlock is found at once.
        configuration.lockTimeout = .seconds(60)
        configuration.settings["deadlock_timeout"] = "10ms"
        let database = try Database(configuration: configuration, logger: StoreCluster.logger)
        database.start()
        _ = await database.waitUntilAvailable()
        return database
    }

    /// Two flows in the order in which batches lock them.
    func keys() throws -> (early: FlowKey, late: FlowKey) {
        let keys = try ["a", "b"].map { try key("t", $0) }.sorted { Shard.of($0) < Shard.of($1) }
        return (keys[0], keys[1])
    }

    struct Held {
        let gate: Int64
        let transaction: Task<Void, any Error>
    }

    /// Locks a flow's head in a transaction that lasts until `release`.
    func hold(_ key: FlowKey) async throws -> Held {
        let gate: Int64 = 1
        try await close(gate)
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        let head = Postgres.Statement(
            name: "hold", sql: "SELECT FROM flowstate.flow WHERE tenant = $1 AND flow_id = $2 FOR UPDATE", parameterTypes: [.text, .text])
        let script = StatementList(statements: [(head, parameters), pass(gate)]) { _ in }
        let transaction = Task { [beside] in try await beside.writer(shard: 0).run(script) }
        try await waitForWaiting(1)
        return Held(gate: gate, transaction: transaction)
    }

    func release(_ held: Held) async throws {
        try await open(held.gate)
        try await held.transaction.value
    }

    /// Submits commands while the server's writer waits for something else, so that they share its next batch.
    func inOneBatch(
        of server: StateStore, _ commands: [@Sendable (StateStore) async throws -> Void]
    ) async throws -> [Task<Void, any Error>] {
        let (gate, waiting) = (Int64(2), try await self.waiting())
        try await close(gate)
        let group = server.database.writer(shard: 0)
        var script = StatementList(statements: [pass(gate)]) { _ in }
        script.affinity = .exclusive
        let before = Task { [script] in try await group.run(script) }
        try await waitForWaiting(waiting + 1)
        let tasks = commands.map { command in Task { try await command(server) } }
        await wait(until: { group.queued == commands.count })
        try await open(gate)
        try await before.value
        return tasks
    }

    /// Until so many sessions wait for a lock.
    func waitForWaiting(_ count: Int64) async throws { try await wait { try await waiting() == count } }

    /// How many deadlocks there were.
    func end() async throws -> Int64 {
        for database in [one.database, other.database, beside, gates] { await database.shutdown() }
        // A session tells its figures at its end at the latest.
        let name = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
        let own = String(conninfo.split(separator: "=").last ?? "")
        try await wait {
            try await StoreCluster.sql(name, [.text], { $0.append(own) }, read: { rows throws(PostgresError) in try rows.int64(0, 0) }) == 0
        }
        return try await StoreCluster.sql(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = $1", [.text], { $0.append(own) },
            read: { rows throws(PostgresError) in try rows.int64(0, 0) })
    }

    private func waiting() async throws -> Int64 {
        try await number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    }

    private func close(_ gate: Int64) async throws { _ = try await number("SELECT 1::bigint FROM pg_advisory_lock(\(gate))") }
    private func open(_ gate: Int64) async throws { _ = try await number("SELECT 1::bigint FROM pg_advisory_unlock(\(gate))") }

    private func pass(_ gate: Int64) -> (Postgres.Statement, Parameters) {
        (Postgres.Statement(name: "pass \(gate)", sql: "SELECT pg_advisory_xact_lock(\(gate))", parameterTypes: []), Parameters())
    }

    private func number(_ sql: String) async throws -> Int64 {
        let statement = Postgres.Statement(name: sql, sql: sql, parameterTypes: [])
        return try await gates.writer(shard: 0).run(
            StatementList(statements: [(statement, Parameters())]) { rows throws(PostgresError) in try rows[0].int64(0, 0) })
    }

    private func wait(until condition: () async throws -> Bool) async rethrows {
        while try await !condition() { await Task.yield() }
    }
}
