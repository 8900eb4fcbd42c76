import Foundation
import Logging
import Synchronization

@testable import Postgres

/// One PostgreSQL for the tests of this process, in a temporary directory; it ends with the process.
enum TestCluster {
    private static let directory = temporaryDirectory()

    private static let started = Task {
        var configuration = EmbeddedCluster.Configuration(directory: directory)
        configuration.settings = ["fsync": "off", "max_connections": "100", "shared_buffers": "32MB", "deadlock_timeout": "100ms"]
        let cluster = EmbeddedCluster(configuration: configuration, logger: logger)
        let conninfo = try await cluster.start()
        running.withLock { $0 = cluster }
        atexit { if let cluster = TestCluster.running.withLock({ $0 }) { TestCluster.end(cluster) } }
        return conninfo
    }

    /// For `atexit`, whose function captures nothing.
    private static let running = Mutex<EmbeddedCluster?>(nil)

    static let logger = {
        var logger = Logger(label: "tests")
        logger.logLevel = .critical
        return logger
    }()

    /// Starts PostgreSQL when it is first asked for.
    static func conninfo() async throws -> String { try await started.value }

    static func temporaryDirectory() -> String {
        let path = "/tmp/flowstate-tests-\(UUID().uuidString.prefix(8))"
        mkdir(path, 0o711)
        return path
    }

    /// A started database with connections; `change` adapts its configuration.
    static func database(_ change: (inout Database.Configuration) -> Void = { _ in }) async throws -> Database {
        var configuration = Database.Configuration(conninfo: try await conninfo())
        change(&configuration)
        let database = try Database(configuration: configuration, logger: logger)
        database.start()
        _ = await database.waitUntilAvailable()
        return database
    }

    /// Runs `body` with a database and shuts that down.
    static func withDatabase<Value>(
        _ change: (inout Database.Configuration) -> Void = { _ in }, _ body: (Database) async throws -> Value
    ) async throws -> Value {
        let database = try await database(change)
        do {
            let value = try await body(database)
            await database.shutdown()
            return value
        } catch {
            await database.shutdown()
            throw error
        }
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

/// Waits for a condition that another process or thread brings about; `false` after `limit`.
func eventually(within limit: Duration = .seconds(20), _ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}
