import Logging
import Resources
import Synchronization

/// PostgreSQL behind bounded queues. There is one connection group for each writing connection, one for all reading connections, and one
/// each for large writes, large reads, slow reads, the feed of changes and background work. `start` makes the connections; each is made again when it is lost.
/// While PostgreSQL cannot be reached, operations fail at once with `unavailable`.
package final class Database: Sendable {
    /// The connections at one moment, for health checks.
    package struct Status: Sendable, Equatable {
        /// Whether the groups for ordinary loads and saves have connections; the other groups do not count.
        package var isAvailable: Bool
        /// Why it is not available, in libpq's or the server's words; `nil` when it is, or while it connects for the first time.
        package var reason: String?
        /// Waiting operations of all connection groups.
        package var queued: Int
    }

    private struct State {
        var isStarted = false
        var lastReported = false
        /// `ConnectionLosses.made` at the last report.
        var lastMade = 0
        var observers: [Int: AsyncStream<Bool>.Continuation] = [:]
        var nextObserver = 0
    }

    /// Set by `start`; the connection groups call it from their threads.
    private final class Observer: Sendable {
        let body = Mutex<(@Sendable () -> Void)?>(nil)
    }

    private final class Stopping: Sendable {
        let flag = Atomic(false)
    }

    /// Counted by the connection groups.
    final class ConnectionLosses: Sendable {
        let count = Atomic(0)
        /// Connections made.
        let made = Atomic(0)
    }

    package let configuration: Configuration
    private let logger: Logger
    private let primary = Primary()
    private let connecting: Conditions
    /// Wakes the thread of `HostWatch`.
    private let watchWakeup: Wakeup
    private let stopping = Stopping()
    private let writers: [ConnectionGroup]
    /// One connection for large writes, so that others need not wait behind them; not part of `isAvailable`.
    private let largeWrites: ConnectionGroup
    /// One connection group, several connections.
    package let reader: ConnectionGroup
    /// One connection for large reads, so that others need not wait behind them. They are retried as other reads are; not part of
    /// `isAvailable`.
    private let largeReads: ConnectionGroup
    /// For slow reads: lists, summaries, histories. They are retried as other reads are; not part of `isAvailable`.
    package let lists: ConnectionGroup
    /// One connection that looks for changes again and again, so that neither those reads nor the loads wait for the others; not part of
    /// `isAvailable`.
    package let feed: ConnectionGroup
    /// One connection for long operations, so that calls need not wait behind them: statistics, cleaning up. They run one after the other,
    /// each in a transaction of its own if it says so (`Operation.affinity`). They may write, so they are not retried when their connection
    /// was lost.
    package let background: ConnectionGroup
    private let threads = ThreadGroup()
    private let state = Mutex(State())
    private let observer = Observer()
    private let losses = ConnectionLosses()

    /// Connects to nothing yet. Throws `incompatible` when the connection string cannot be read.
    package init(configuration: Configuration, logger: Logger) throws(PostgresError) {
        self.configuration = configuration
        self.logger = logger
        _ = try configuration.connectionOptions()
        watchWakeup = try Wakeup()
        connecting = Conditions(kind: "attempts to connect to PostgreSQL", logger: logger)
        let limits = BatchQueue<Job>.Limits(
            operations: max(configuration.batchOperations, 1), bytes: configuration.batchBytes,
            queued: configuration.queueLimit, queuedBytes: configuration.queuedBytes,
            lockPatience: configuration.lockPatience)
        let (observer, losses) = (observer, losses)
        let makeGroup = { (role: ConnectionGroup.Role, connections: Int, conditions: Conditions) throws(PostgresError) -> ConnectionGroup in
            try ConnectionGroup(
                role: role, limits: limits, connections: connections, retryWindow: configuration.readRetryWindow, losses: losses,
                conditions: conditions
            ) {
                observer.body.withLock(\.self)?()
            }
        }
        var writers: [ConnectionGroup] = []
        let saves = Conditions(kind: "saves", logger: logger)
        for _ in 0..<max(configuration.writers, 1) { writers.append(try makeGroup(.writes, 1, saves)) }
        self.writers = writers
        largeWrites = try makeGroup(.writes, 1, Conditions(kind: "large changes", logger: logger))
        reader = try makeGroup(.reads, max(configuration.readers, 1), Conditions(kind: "loads", logger: logger))
        largeReads = try makeGroup(.reads, 1, Conditions(kind: "loads of large states", logger: logger))
        lists = try makeGroup(.lists, max(configuration.lists, 1), Conditions(kind: "lists", logger: logger))
        feed = try makeGroup(.reads, 1, Conditions(kind: "reads of changes", logger: logger))
        background = try makeGroup(.background, 1, Conditions(kind: "background operations", logger: logger))
    }

    /// The group of a shard (a hash of the flow's key): operations of one shard run in the order in which they were submitted.
    package func writer(shard: UInt64) -> ConnectionGroup { writers[Int(shard % UInt64(writers.count))] }

    /// The group for large writes. While it has no connection, as when PostgreSQL accepts no more, they use the shard's group.
    package func largeWriter(shard: UInt64) -> ConnectionGroup { largeWrites.isAvailable ? largeWrites : writer(shard: shard) }

    /// The group for large reads; `reader` while it has no connection.
    package var largeReader: ConnectionGroup { largeReads.isAvailable ? largeReads : reader }

    package var status: Status {
        let isAvailable = serving.allSatisfy(\.isAvailable)
        return Status(
            isAvailable: isAvailable, reason: isAvailable ? nil : serving.lazy.compactMap(\.unavailableReason).first,
            queued: groups.reduce(0) { $0 + $1.queued })
    }

    package var isAvailable: Bool { status.isAvailable }

    /// Connections lost so far. The next connection may lead to another server, which knows less than the last one did: one that took over
    /// without the latest commits, or a restored backup. Caches of what was read compare this number.
    package var connectionLosses: Int { losses.count.load(ordering: .acquiring) }

    /// The cluster and the branch of its history that operations run on; nil: not connected, or it does not say.
    package var identity: ServerIdentity? { primary.identity }

    /// Whether the database is available: now, and after each change.
    package func availability() -> AsyncStream<Bool> {
        let (stream, continuation) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(8))
        let number = state.withLock { state in
            state.nextObserver += 1
            state.observers[state.nextObserver] = continuation
            continuation.yield(state.lastReported)
            return state.nextObserver
        }
        continuation.onTermination = { [weak self] _ in
            guard let self else { return }
            _ = self.state.withLock { $0.observers.removeValue(forKey: number) }
        }
        return stream
    }

    /// Waits until the database is available; `false` when the task was cancelled or the database shut down first.
    package func waitUntilAvailable() async -> Bool {
        for await isAvailable in availability() where isAvailable { return true }
        return false
    }

    /// Starts the connections' threads and returns; operations may be submitted at once. Starting twice does nothing. The threads run until
    /// `shutdown`, which the owner must call.
    package func start() {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { return }
        for group in groups { group.setPreparing(nil) }
        primary.onReplacement { [groups] in for group in groups { group.wake() } }
        observer.body.withLock { body in body = { [weak self] in self?.report() } }
        for (number, group) in writers.enumerated() { start(group, index: 0, name: "pg-write-\(number)") }
        start(largeWrites, index: 0, name: "pg-write-large")
        for index in 0..<max(configuration.readers, 1) { start(reader, index: index, name: "pg-read-\(index)") }
        start(largeReads, index: 0, name: "pg-read-large")
        for index in 0..<max(configuration.lists, 1) { start(lists, index: index, name: "pg-list-\(index)") }
        start(feed, index: 0, name: "pg-feed")
        start(background, index: 0, name: "pg-background")
        startWatch()
    }

    /// Before `start`: makes operations fail with a reason, for instance while the schema is migrated.
    package func prepare(reason: String) {
        if state.withLock(\.isStarted) { return }
        for group in groups { group.setPreparing(reason) }
    }

    private func start(_ group: ConnectionGroup, index: Int, name: String) {
        // `init` has parsed the same connection string.
        guard let options = try? configuration.connectionOptions(for: group.role) else { return }
        let worker = ConnectionWorker(
            group: group, index: index, options: options, configuration: configuration, primary: primary, connecting: connecting,
            logger: logger)
        guard threads.start(name: name, worker.run) else {
            logger.error("cannot start a thread for a connection to PostgreSQL")
            return group.attemptFailed(message: "the system refuses another thread")
        }
    }

    private func startWatch() {
        let watch = try? HostWatch(configuration, primary: primary, wakeup: watchWakeup, logger: logger) { [stopping] in
            stopping.flag.load(ordering: .acquiring)
        }
        guard let watch else { return }
        if !threads.start(name: "pg-watch", watch.run) { logger.error("cannot start a thread that watches PostgreSQL's hosts") }
    }

    /// Starts, then waits until `shutdown` was called or the task is cancelled, which shuts down too.
    package func run() async {
        start()
        await withTaskCancellationHandler {
            await threads.wait()
        } onCancel: {
            Task { await self.shutdown() }
        }
    }

    /// The groups for ordinary loads and saves, which make up `isAvailable`.
    private var serving: [ConnectionGroup] { writers + [reader] }
    private var groups: [ConnectionGroup] { serving + [largeWrites, largeReads, lists, feed, background] }

    /// Refuses new operations with `shutdown`, finishes the waiting ones (after `drainTimeout` they fail with `shutdown`), closes the
    /// connections and waits for their threads.
    package func shutdown() async {
        stopping.flag.store(true, ordering: .releasing)
        watchWakeup.signal()
        for group in groups { group.drain() }
        let drained = Task { [threads] in await threads.wait() }
        let closer = Task { [groups, configuration] in
            try await Task.sleep(for: configuration.drainTimeout)
            for group in groups { group.close() }
        }
        await drained.value
        closer.cancel()
        for observer in state.withLock({ Array($0.observers.values) }) { observer.finish() }
    }

    private func report() {
        let made = losses.made.load(ordering: .acquiring)
        let isNew = state.withLock { state in
            defer { state.lastMade = made }
            return state.lastMade != made
        }
        // PostgreSQL is back: groups without a connection try at once, so that all serve again at about the same time.
        if isNew { for group in groups where !group.isAvailable { group.expectConnection() } }
        state.withLock { state in
            // Read under the lock: of two threads that report at once, the later one reports the later state.
            let isAvailable = serving.allSatisfy(\.isAvailable)
            guard state.lastReported != isAvailable else { return }
            state.lastReported = isAvailable
            for observer in state.observers.values { observer.yield(isAvailable) }
        }
    }
}

/// `KnownPrimary`, shared by the connections' threads.
final class Primary: Sendable {
    private let known = Mutex(KnownPrimary())
    /// `KnownPrimary.generation`; the connections' threads read it at every turn.
    private let current = Atomic(0)
    /// Called when another primary has taken over, to wake idle threads.
    private let replaced = Mutex<(@Sendable () -> Void)?>(nil)

    var generation: Int { current.load(ordering: .acquiring) }
    var identity: ServerIdentity? { known.withLock(\.identity) }
    /// The host to try first.
    var host: Int? { known.withLock(\.host) }

    func onReplacement(_ body: @escaping @Sendable () -> Void) { replaced.withLock { $0 = body } }

    /// Returns the session's generation.
    func admit(_ identity: ServerIdentity?, host: Int) throws(PostgresError) -> Int {
        let admission = change { $0.admit(identity, host: host, now: .now) }
        switch admission {
        case .admitted(let generation): return generation
        case .refused(let reason): throw .unavailable(message: reason, outcomeUnknown: false)
        }
    }

    func closed(generation: Int) { known.withLock { $0.closed(generation: generation) } }

    /// Returns whether the server takes over.
    func observe(_ identity: ServerIdentity, host: Int, isOnly: Bool) -> Bool {
        change { $0.observe(identity, host: host, isOnly: isOnly, now: .now) }
    }

    private func change<Value: Sendable>(_ body: (inout KnownPrimary) -> Value) -> Value {
        let (value, isReplaced) = known.withLock { known in
            let value = body(&known)
            return (value, current.exchange(known.generation, ordering: .acquiringAndReleasing) != known.generation)
        }
        if isReplaced { replaced.withLock(\.self)?() }
        return value
    }
}

/// Makes a database in a cluster that may not have it yet.
package enum DatabaseCreation {
    /// - Parameters:
    ///   - name: An identifier that needs no quotes.
    ///   - conninfo: To another database of the cluster.
    package static func createIfMissing(_ name: String, conninfo: String, logger: Logger) async throws(PostgresError) {
        let options = try ConnectionOptions(conninfo: conninfo)
        try await Blocking.run(name: "pg-setup") { (interruption) throws(PostgresError) in
            let connection = try DirectConnection(options, interruption: interruption, logger: logger)
            if try connection.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]).isEmpty {
                try connection.execute("CREATE DATABASE \(name)")
            }
        }
    }
}
