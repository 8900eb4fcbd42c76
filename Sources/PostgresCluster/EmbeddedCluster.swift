import Glibc
import Logging
import Postgres
import Subprocess
import Synchronization
import SystemPackage

/// A private PostgreSQL in a data directory: created if there is none, started, restarted when it dies, stopped. It listens only on a Unix
/// socket that its user (and root) can reach.
///
/// PostgreSQL runs as a child process. It keeps running when the server is killed; the next `start` on the directory stops it and starts
/// its own.
package final class EmbeddedCluster: Sendable {
    package struct Configuration: Sendable {
        /// The directory of all files; created if it does not exist.
        package var directory: String
        /// Where `postgres` and `initdb` are; `nil` searches for them.
        package var binaryDirectory: String?
        /// PostgreSQL's settings; they override `defaultSettings`. Those of the socket cannot be changed.
        package var settings: [String: String] = [:]
        /// How long PostgreSQL may take to accept connections: after a crash it first recovers.
        package var startTimeout = Duration.seconds(120)
        /// How long a fast shutdown may take before an immediate one follows.
        package var stopTimeout = Duration.seconds(30)

        package init(directory: String) { self.directory = directory }

        /// For a small cluster with one client, sharing its machine with the server.
        package static let defaultSettings = [
            "shared_buffers": MachineMemory.sharedBuffers(of: MachineMemory.bytes), "max_connections": "50", "max_wal_size": "2GB",
            "checkpoint_timeout": "10min",
            "random_page_cost": "1.1", "jit": "off", "log_checkpoints": "off", "log_line_prefix": "%m [%p] ",
        ]
    }

    static let superuser = "flowstate"
    static let database = "flowstate"

    private struct State: ~Copyable {
        var lock: DirectoryLock?
        var running: Running?
    }

    /// What `stop` ends.
    private struct Running: Sendable {
        let supervision: Task<Void, Never>
        let socketDirectory: String
        let isTemporary: Bool
    }

    private let configuration: Configuration
    private let logger: Logger
    private let state = Mutex(State())

    package init(configuration: Configuration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Locks the directory, creates the cluster if there is none, starts it, and returns the connection string once it accepts connections.
    /// On an error everything is undone. Call it once, and again only after `stop`.
    package func start() async throws(EmbeddedClusterError) -> String {
        ClusterEnvironment.removeLibpqVariables()
        let isNew = try Files.makeDirectory(configuration.directory, mode: 0o700)
        let path = try Files.realPath(configuration.directory)
        let lock = try DirectoryLock(path: ClusterDirectory.lock(in: path), directory: path)
        let user = try ClusterUser.select(dataDirectory: "\(path)/postgres")
        if isNew, user.isOther { try Files.changeOwner(path, user: user.user, group: user.group) }
        try user.checkReach(path)
        let directory = ClusterDirectory(path: path, user: user)
        let programs = try await PostgresPrograms.find(
            explicit: configuration.binaryDirectory, dataVersion: ClusterDirectory.dataVersion(in: path))
        try await directory.initialize(programs)
        let processes = ClusterProcesses(dataDirectory: directory.data)
        if !processes.running().isEmpty { logger.warning("stopping PostgreSQL of an earlier run on \(directory.data)") }
        try await processes.clear()
        let socketDirectory = try directory.makeSocketDirectory()
        let server = ClusterServer(
            programs: programs, directory: directory, processes: processes, arguments: arguments(socketDirectory, directory),
            stopTimeout: configuration.stopTimeout, logger: logger)
        let running = Running(
            supervision: Task { await server.supervise() }, socketDirectory: socketDirectory,
            isTemporary: socketDirectory != directory.ownSocketDirectory)
        do throws(EmbeddedClusterError) {
            let conninfo = try await server.waitUntilReady(socketDirectory: socketDirectory, timeout: configuration.startTimeout)
            keep(lock, running)
            return conninfo
        } catch {
            await Self.end(running)
            throw error
        }
    }

    /// Waits until the task is cancelled, then stops the cluster.
    package func run() async {
        let (forever, continuation) = AsyncStream.makeStream(of: Never.self)
        await withTaskCancellationHandler {
            for await _ in forever {}
        } onCancel: {
            continuation.finish()
        }
        await stop()
    }

    /// Shuts PostgreSQL down and releases the directory. Close connections first; those left are cut.
    package func stop() async {
        guard let running = state.withLock({ $0.running.take() }) else { return }
        await Self.end(running)
        state.withLock { $0.lock = nil }
    }

    private func keep(_ lock: consuming DirectoryLock, _ running: Running) {
        var lock = Optional(lock)
        state.withLock { state in
            state.lock = lock.take()
            state.running = running
        }
    }

    private static func end(_ running: Running) async {
        running.supervision.cancel()
        await running.supervision.value
        if running.isTemporary { Files.remove(running.socketDirectory) }
    }

    private func arguments(_ socketDirectory: String, _ directory: ClusterDirectory) -> [String] {
        var settings = Configuration.defaultSettings.merging(configuration.settings) { $1 }
        settings["listen_addresses"] = ""
        settings["port"] = "5432"
        // A list: quotes keep a comma or a space in the path from splitting it.
        settings["unix_socket_directories"] = "\"\(socketDirectory.replacing("\"", with: "\"\""))\""
        settings["unix_socket_permissions"] = "0700"
        settings["logging_collector"] = "off"
        settings["log_destination"] = "stderr"
        return ["-D", directory.data] + settings.sorted { $0.key < $1.key }.flatMap { ["-c", "\($0.key)=\($0.value)"] }
    }
}
