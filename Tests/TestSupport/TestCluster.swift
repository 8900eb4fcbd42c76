import Foundation
import Logging
import Postgres
import PostgresCluster
import Resources
import Synchronization

/// One PostgreSQL for the tests of this process, in a temporary directory; it ends with the process.
package enum TestCluster {
    private static let directory = temporaryDirectory()

    private static let started = Task {
        var configuration = EmbeddedCluster.Configuration(directory: directory)
        configuration.settings = ["fsync": "off", "max_connections": "800", "shared_buffers": "32MB", "deadlock_timeout": "100ms"]
        let cluster = EmbeddedCluster(configuration: configuration, logger: logger)
        let conninfo = try await cluster.start()
        running.withLock { $0 = cluster }
        atexit { if let cluster = TestCluster.running.withLock({ $0 }) { TestCluster.end(cluster) } }
        return conninfo
    }

    /// For `atexit`, whose function captures nothing.
    private static let running = Mutex<EmbeddedCluster?>(nil)

    package static let logger = {
        var logger = Logger(label: "tests")
        logger.logLevel = .critical
        return logger
    }()

    /// Removed when the process ends.
    private static let directories = Mutex<[String]>([])

    /// Starts PostgreSQL when it is first asked for.
    package static func conninfo() async throws -> String { try await started.value }

    package static func temporaryDirectory() -> String {
        let path = "/tmp/flowstate-tests-\(UUID().uuidString.prefix(8))"
        mkdir(path, 0o711)
        directories.withLock { $0.append(path) }
        return path
    }

    /// A started database with connections; `change` adapts its configuration.
    package static func database(_ change: (inout Database.Configuration) -> Void = { _ in }) async throws -> Database {
        var configuration = Database.Configuration(conninfo: try await conninfo())
        change(&configuration)
        let database = try Database(configuration: configuration, logger: logger)
        database.start()
        _ = await database.waitUntilAvailable()
        return database
    }

    /// Runs `body` with a database and shuts that down.
    package static func withDatabase<Value>(
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

    /// A stopped cluster to copy: quicker than making one for each test.
    private static let template = Task {
        let directory = temporaryDirectory()
        var configuration = EmbeddedCluster.Configuration(directory: directory)
        configuration.settings = ["fsync": "off"]
        let cluster = EmbeddedCluster(configuration: configuration, logger: logger)
        _ = try await cluster.start()
        await cluster.stop()
        return directory
    }

    /// A directory with a cluster in it that is not running.
    package static func directoryWithCluster() async throws -> String {
        let directory = temporaryDirectory()
        let data = "\(try await template.value)/postgres"
        guard run(["/bin/cp", "-a", data, "\(directory)/postgres"]) == 0 else { throw CopyFailed(directory: directory) }
        return directory
    }

    private static func end(_ cluster: EmbeddedCluster) {
        let stopped = DispatchSemaphore(value: 0)
        Task.detached {
            await cluster.stop()
            stopped.signal()
        }
        _ = stopped.wait(timeout: .now() + 10)
        for directory in directories.withLock({ $0 }) { remove(directory) }
    }
}

/// Runs a program to its end, without input and output. (Foundation's `Process` waits until also a daemon that the program leaves behind
/// has closed the descriptors it inherited.)
package func run(_ command: [String]) -> CInt {
    let arguments = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor: CInt in 0...2 { posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0) }
    var pid = pid_t()
    guard posix_spawn(&pid, command[0], &actions, nil, arguments, environ) == 0 else { return -1 }
    var status: CInt = 0
    waitpid(pid, &status, 0)
    return status
}

/// Waits for a condition that another process or thread brings about; `false` after `limit`, and a thousand looks: where tests that compute
/// hold up the threads, what is waited for is held up as well.
package func eventually(within limit: Duration = .seconds(120), _ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = Instant.now + limit
    var looks = 0
    while Instant.now < deadline || looks < 1_000 {
        looks += 1
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}

private struct CopyFailed: Error { let directory: String }

extension TestCluster {
    package static func remove(_ directory: String) { try? FileManager.default.removeItem(atPath: directory) }

    package static func withCluster(_ body: (EmbeddedCluster, String, _ directory: String) async throws -> Void) async throws {
        let directory = try await directoryWithCluster()
        let cluster = EmbeddedCluster(configuration: configuration(directory), logger: logger)
        let conninfo = try await cluster.start()
        do {
            try await body(cluster, conninfo, directory)
        } catch {
            await cluster.stop()
            remove(directory)
            throw error
        }
        await cluster.stop()
        remove(directory)
    }

    package static func configuration(_ directory: String) -> EmbeddedCluster.Configuration {
        var configuration = EmbeddedCluster.Configuration(directory: directory)
        configuration.settings = ["fsync": "off", "shared_buffers": "16MB"]
        return configuration
    }

    package static func database(_ conninfo: String) throws -> Database {
        let database = try Database(configuration: .init(conninfo: conninfo), logger: logger)
        database.start()
        return database
    }

    package static func postmaster(_ directory: String) -> pid_t? {
        let data = "\(directory)/postgres"
        let processes = ClusterProcesses(dataDirectory: data)
        return processes.postmaster(among: processes.running())
    }
}
