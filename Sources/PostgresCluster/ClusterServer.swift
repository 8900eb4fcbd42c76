import Logging
import Postgres
import Subprocess
import Synchronization
import SystemPackage

/// The `postgres` process of an embedded cluster and its supervision.
final class ClusterServer: Sendable {
    private let programs: PostgresPrograms
    private let directory: ClusterDirectory
    private let processes: ClusterProcesses
    private let arguments: [String]
    private let stopTimeout: Duration
    private let logger: Logger
    /// Why PostgreSQL last ended without being asked to.
    private let lastEnd = Mutex<[String]?>(nil)

    init(
        programs: PostgresPrograms, directory: ClusterDirectory, processes: ClusterProcesses, arguments: [String],
        stopTimeout: Duration, logger: Logger
    ) {
        self.programs = programs
        self.directory = directory
        self.processes = processes
        self.arguments = arguments
        self.stopTimeout = stopTimeout
        self.logger = logger
    }

    /// Runs PostgreSQL, restarting it whenever it ends, until the task is cancelled; then shuts it down.
    func supervise() async {
        var backoff = Backoff(first: .milliseconds(100), ceiling: .seconds(5))
        while !Task.isCancelled {
            let started = ContinuousClock.now
            let offset = Files.info(directory.log)?.size ?? 0
            let reason: String
            do {
                // After the postmaster was killed its children may still run, and PostgreSQL refuses to start beside them ("pre-existing
                // shared memory block is still in use").
                try await processes.clear()
                reason = try await runOnce()
            } catch {
                reason = "\(error)"
            }
            if Task.isCancelled { break }
            let errors = directory.errors(from: offset)
            lastEnd.withLock { $0 = errors.isEmpty ? [reason] : errors }
            logger.error("PostgreSQL ended (\(reason)) and is restarted; see \(directory.log)")
            if ContinuousClock.now - started > .seconds(60) { backoff.reset() }
            try? await Task.sleep(for: backoff.next())
        }
    }

    /// Runs the process once. Cancellation ends it by a fast shutdown (SIGINT), then by an immediate one (SIGQUIT).
    private func runOnce() async throws -> String {
        var options = ClusterUser.platformOptions
        options.teardownSequence = [
            .send(signal: .interrupt, allowedDurationToNextStep: stopTimeout),
            .send(signal: .quit, allowedDurationToNextStep: .seconds(10)),
        ]
        let command = directory.user.command(programs.postgres, arguments)
        let log = try directory.openLog()
        let result: ExecutionResult<Void, FileDescriptorOutput, FileDescriptorOutput>
        do {
            result = try await Subprocess.run(
                command.program, arguments: command.arguments,
                environment: ClusterDirectory.environment, workingDirectory: FilePath(directory.path), platformOptions: options,
                input: .none, output: .fileDescriptor(log, closeAfterSpawningProcess: false),
                error: .fileDescriptor(log, closeAfterSpawningProcess: false))
        } catch {
            try log.close()
            throw error
        }
        try log.close()
        return "\(result.terminationStatus)"
    }

    /// How often a slow start is logged.
    private static let progressInterval = Duration.seconds(5)
    /// How long connecting may fail after PostgreSQL has said that it accepts connections.
    private static let connectLimit = Duration.seconds(5)

    /// Waits until the cluster accepts connections and has its database; returns the connection string.
    func waitUntilReady(socketDirectory: String, timeout: Duration) async throws(EmbeddedClusterError) -> String {
        let started = ContinuousClock.now
        var (progressAt, readySince) = (started + Self.progressInterval, ContinuousClock.Instant?.none)
        let quoted = socketDirectory.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
        let conninfo = { (database: String) in
            "host='\(quoted)' port=5432 user=\(EmbeddedCluster.superuser) dbname=\(database) sslmode=disable gssencmode=disable"
        }
        while true {
            do throws(PostgresError) {
                try await DatabaseCreation.createIfMissing(EmbeddedCluster.database, conninfo: conninfo("postgres"), logger: logger)
                return conninfo(EmbeddedCluster.database)
            } catch {
                if case .cancelled = error { throw .cancelled }
                // PostgreSQL ended. (While it recovers it runs, and refuses connections.)
                if let lines = lastEnd.withLock(\.self) { throw .startup(lines, log: directory.log) }
                let now = ContinuousClock.now
                readySince = processes.isReady ? readySince ?? now : nil
                // PostgreSQL accepts connections, but not this one, which waiting does not change.
                let isHopeless = readySince.map { now - $0 >= Self.connectLimit } ?? false
                guard now - started < timeout, !isHopeless else { throw .startup([error.description], log: directory.log) }
                if now >= progressAt {
                    logger.info(
                        "PostgreSQL is starting", metadata: ["since": "\((now - started).components.seconds) s", "reason": "\(error)"])
                    progressAt = now + Self.progressInterval
                }
            }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { throw .cancelled }
        }
    }
}
