import Foundation
import Logging
import Postgres
import PostgresCluster
import Synchronization

@testable import FlowModel
@testable import FlowStore

/// One PostgreSQL for the tests of this process, migrated, with one store on it; it ends with the process.
enum StoreCluster {
    struct Running: Sendable {
        let conninfo: String
        let database: Database
        let store: StateStore
    }

    static let logger = {
        var logger = Logger(label: "tests")
        logger.logLevel = .critical
        return logger
    }()

    private static let directory = {
        let path = "/tmp/flowstate-store-tests-\(UUID().uuidString.prefix(8))"
        mkdir(path, 0o711)
        return path
    }()

    /// For `atexit`, whose function captures nothing.
    private static let cluster = Mutex<EmbeddedCluster?>(nil)

    private static let started = Task {
        var configuration = EmbeddedCluster.Configuration(directory: directory)
        configuration.settings = ["fsync": "off", "max_connections": "300", "shared_buffers": "64MB", "autovacuum": "off"]
        let cluster = EmbeddedCluster(configuration: configuration, logger: logger)
        let conninfo = try await cluster.start()
        StoreCluster.cluster.withLock { $0 = cluster }
        atexit { if let cluster = StoreCluster.cluster.withLock({ $0 }) { StoreCluster.end(cluster) } }
        try await migrate(conninfo)
        let database = try await open(conninfo)
        return Running(
            conninfo: conninfo, database: database, store: StateStore(database: database, limits: Limits(), logger: logger))
    }

    static func migrate(_ conninfo: String, _ migrations: [Migration] = StoreSchema.migrations) async throws {
        try await Migrator.run(migrations, conninfo: conninfo, schema: StoreSchema.name, logger: logger)
    }

    static func running() async throws -> Running { try await started.value }

    static func store() async throws -> StateStore { try await started.value.store }

    /// Another server instance on the same database; the caller shuts it down.
    static func open(_ conninfo: String) async throws -> Database {
        var configuration = Database.Configuration(conninfo: conninfo)
        configuration.settings = StoreSchema.sessionSettings
        configuration.backgroundSettings = StoreSchema.backgroundSettings
        let database = try Database(configuration: configuration, logger: logger)
        database.start()
        _ = await database.waitUntilAvailable()
        return database
    }

    /// Makes a database and its schema in the tests' cluster; answers how to connect.
    static func ownDatabase(_ name: String, _ migrations: [Migration] = StoreSchema.migrations) async throws -> String {
        let running = try await running()
        let sql = Postgres.Statement(name: "create \(name)", sql: "CREATE DATABASE \(name)", parameterTypes: [])
        var create = StatementList(statements: [(sql, Parameters())]) { results throws(PostgresError) in results.count }
        create.affinity = .exclusive
        _ = try await running.database.writer(shard: 0).run(create)
        let conninfo = running.conninfo + " dbname=\(name)"
        try await migrate(conninfo, migrations)
        return conninfo
    }

    /// Runs SQL beside the store.
    static func sql<Value: Sendable>(
        _ text: String, _ types: [OID] = [], _ fill: (inout Parameters) -> Void = { _ in },
        read: @escaping @Sendable (ResultRows) throws(PostgresError) -> Value
    ) async throws -> Value {
        var parameters = Parameters()
        fill(&parameters)
        let statement = Statement(name: "test \(text.hashValue)", sql: text, parameterTypes: types)
        return try await running().database.writer(shard: 0).run(
            StatementList(statements: [(statement, parameters)]) { rows throws(PostgresError) in try read(rows[0]) })
    }

    private static func end(_ cluster: EmbeddedCluster) {
        let stopped = DispatchSemaphore(value: 0)
        Task.detached {
            await cluster.stop()
            stopped.signal()
        }
        _ = stopped.wait(timeout: .now() + 10)
        try? FileManager.default.removeItem(atPath: directory)
    }
}

/// Several statements in one transaction.
struct StatementList<Outcome: Sendable>: SingleOperation {
    var statements: [(Statement, Parameters)]
    var affinity = BatchAffinity.any
    var read: @Sendable ([ResultRows]) throws(PostgresError) -> Outcome

    var cost: Int { 1_000 }

    func enqueue(into pipeline: inout Pipeline) {
        for (statement, parameters) in statements { pipeline.execute(statement, parameters) }
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> { .finished(try read(results)) }
}

/// A tenant of its own for each test: tests run side by side on one database.
func freshTenant(_ name: String = #function) -> String {
    "\(name.prefix(40)) \(UUID().uuidString)"
}

func key(_ tenant: String, _ flowID: String) throws -> FlowKey {
    try FlowKey(tenant: tenant, flowID: flowID, limits: .defaults)
}

func json(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The error that a command answers.
func refusal<Value>(_ body: () async throws -> Value) async -> StateError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? StateError
    }
}

extension StateStore {
    func snapshot(_ key: FlowKey, _ selector: LoadSelector = .latest) async throws -> Snapshot {
        switch try await run(LoadCommand(key: key, selector: selector)) {
        case .snapshot(let snapshot): return snapshot
        case .unchanged, .withWrites: throw StateError.internalFault("no snapshot")
        }
    }
}
