import Logging
import Resources
import Synchronization

/// PostgreSQL behind bounded queues: one lane for each writing connection, one for all reading connections, and one each for writes and reads
/// that are large, reads that take their time, and other work that does. Connections are made when it is started and again whenever they are
/// lost; meanwhile operations fail at once with `unavailable`.
public final class Database: Sendable {
    /// The connections at one moment, for health checks.
    public struct Status: Sendable, Equatable {
        /// Every lane that serves callers has a connection; `background` does not count.
        public var isAvailable: Bool
        /// Why not, in libpq's or the server's words; `nil` when it is available or still connecting for the first time.
        public var reason: String?
        /// Operations that wait, over all lanes.
        public var queued: Int
    }

    private struct State {
        var isStarted = false
        var lastReported = false
        /// `ConnectionLosses.made` when the lanes looked last.
        var lastMade = 0
        var observers: [Int: AsyncStream<Bool>.Continuation] = [:]
        var nextObserver = 0
    }

    /// Set after the lanes exist; they call it from their threads.
    private final class Observer: Sendable {
        let body = Mutex<(@Sendable () -> Void)?>(nil)
    }

    private final class Stopping: Sendable {
        let flag = Atomic(false)
    }

    /// Counted by the lanes.
    final class ConnectionLosses: Sendable {
        let count = Atomic(0)
        /// Connections made.
        let made = Atomic(0)
    }

    public let configuration: Configuration
    private let logger: Logger
    private let primary = Primary()
    private let connecting: Conditions
    /// Wakes the thread of `HostWatch`.
    private let watchWakeup: Wakeup
    private let stopping = Stopping()
    private let writers: [Lane]
    /// One connection for writes of much, behind which the others need not wait; no part of `isAvailable`.
    private let largeWrites: Lane
    /// One lane, several connections.
    public let reader: Lane
    /// One connection for reads of much, behind which the others need not wait. They are run again as those are, and no part of
    /// `isAvailable`.
    private let largeReads: Lane
    /// For reads that take their time: lists, summaries, histories. They are run again as the others are, and no part of `isAvailable`.
    public let lists: Lane
    /// One connection for operations that take long, so that calls need not wait behind them: statistics, cleaning up. They run one after
    /// the other, each in a transaction of its own if it says so (`Operation.company`). They may write, so none is run again when
    /// the connection was lost under it.
    public let background: Lane
    private let threads = ThreadGroup()
    private let state = Mutex(State())
    private let observer = Observer()
    private let losses = ConnectionLosses()

    /// Connects to nothing yet. Throws `incompatible` when the connection string cannot be read.
    public init(configuration: Configuration, logger: Logger) throws(PostgresError) {
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
        let makeLane = { (role: Lane.Role, connections: Int, conditions: Conditions) throws(PostgresError) -> Lane in
            try Lane(
                role: role, limits: limits, connections: connections, retryWindow: configuration.readRetryWindow, losses: losses,
                conditions: conditions
            ) {
                observer.body.withLock(\.self)?()
            }
        }
        var writers: [Lane] = []
        let saves = Conditions(kind: "saves", logger: logger)
        for _ in 0..<max(configuration.writers, 1) { writers.append(try makeLane(.writes, 1, saves)) }
        self.writers = writers
        largeWrites = try makeLane(.writes, 1, Conditions(kind: "large changes", logger: logger))
        reader = try makeLane(.reads, max(configuration.readers, 1), Conditions(kind: "loads", logger: logger))
        largeReads = try makeLane(.reads, 1, Conditions(kind: "loads of large states", logger: logger))
        lists = try makeLane(.lists, max(configuration.lists, 1), Conditions(kind: "lists", logger: logger))
        background = try makeLane(.background, 1, Conditions(kind: "background operations", logger: logger))
    }

    /// The lane of a shard (a hash of the flow's key): everything on one shard that goes by it runs in the order in which it was submitted.
    public func writer(shard: UInt64) -> Lane { writers[Int(shard % UInt64(writers.count))] }

    /// The lane of writes of much. Without a connection of its own, as when PostgreSQL takes no more, they go with the others.
    public func largeWriter(shard: UInt64) -> Lane { largeWrites.isAvailable ? largeWrites : writer(shard: shard) }

    /// The lane of reads of much, as for writes.
    public var largeReader: Lane { largeReads.isAvailable ? largeReads : reader }

    public var status: Status {
        let isAvailable = serving.allSatisfy(\.isAvailable)
        return Status(
            isAvailable: isAvailable, reason: isAvailable ? nil : serving.lazy.compactMap(\.unavailableReason).first,
            queued: lanes.reduce(0) { $0 + $1.queued })
    }

    public var isAvailable: Bool { status.isAvailable }

    /// Connections lost so far. Behind the next one there may be another server, which knows less than the last did: one that took over
    /// without the latest commits, or a restored backup. Caches of what was read compare this number.
    public var connectionLosses: Int { losses.count.load(ordering: .acquiring) }

    /// Whether the database is available: now, and after each change.
    public func availability() -> AsyncStream<Bool> {
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

    /// Waits until every lane has a connection; `false` when the task was cancelled or the database shut down before.
    public func waitUntilAvailable() async -> Bool {
        for await isAvailable in availability() where isAvailable { return true }
        return false
    }

    /// Starts the connections' threads and returns; operations may be submitted at once. Starting twice does nothing. The threads run
    /// until `shutdown`, which its owner must call.
    public func start() {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { return }
        for lane in lanes { lane.setPreparing(nil) }
        primary.onReplacement { [lanes] in for lane in lanes { lane.wake() } }
        observer.body.withLock { body in body = { [weak self] in self?.report() } }
        for (number, lane) in writers.enumerated() { start(lane, index: 0, name: "pg-write-\(number)") }
        start(largeWrites, index: 0, name: "pg-write-large")
        for index in 0..<max(configuration.readers, 1) { start(reader, index: index, name: "pg-read-\(index)") }
        start(largeReads, index: 0, name: "pg-read-large")
        for index in 0..<max(configuration.lists, 1) { start(lists, index: index, name: "pg-list-\(index)") }
        start(background, index: 0, name: "pg-background")
        startWatch()
    }

    /// Before `start`: has operations refused with a reason, while the schema is made ready for them, say.
    public func prepare(reason: String) {
        if state.withLock(\.isStarted) { return }
        for lane in lanes { lane.setPreparing(reason) }
    }

    private func start(_ lane: Lane, index: Int, name: String) {
        // They were read before (`init`).
        guard let options = try? configuration.connectionOptions(for: lane.role) else { return }
        let worker = ConnectionWorker(
            lane: lane, index: index, options: options, configuration: configuration, primary: primary, connecting: connecting,
            logger: logger)
        guard threads.start(name: name, worker.run) else {
            logger.error("cannot start a thread for a connection to PostgreSQL")
            return lane.attemptFailed(message: "the system refuses another thread")
        }
    }

    private func startWatch() {
        let watch = try? HostWatch(configuration, primary: primary, wakeup: watchWakeup, logger: logger) { [stopping] in
            stopping.flag.load(ordering: .acquiring)
        }
        guard let watch else { return }
        if !threads.start(name: "pg-watch", watch.run) { logger.error("cannot start a thread that watches PostgreSQL's hosts") }
    }

    /// `start`, then waits until `shutdown` was called or the task is cancelled, which shuts down too.
    public func run() async {
        start()
        await withTaskCancellationHandler {
            await threads.wait()
        } onCancel: {
            Task { await self.shutdown() }
        }
    }

    /// Loads and saves need these; `isAvailable` is about them.
    private var serving: [Lane] { writers + [reader] }
    private var lanes: [Lane] { serving + [largeWrites, largeReads, lists, background] }

    /// Refuses new operations with `shutdown`, finishes those that wait (at most `drainTimeout`, then they fail with `shutdown`), closes
    /// the connections and waits for their threads.
    public func shutdown() async {
        stopping.flag.store(true, ordering: .releasing)
        watchWakeup.signal()
        for lane in lanes { lane.drain() }
        let drained = Task { [threads] in await threads.wait() }
        let closer = Task { [lanes, configuration] in
            try await Task.sleep(for: configuration.drainTimeout)
            for lane in lanes { lane.close() }
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
        // PostgreSQL is back: none waits out its pause, so that all serve again at about the same time.
        if isNew { for lane in lanes where !lane.isAvailable { lane.expectConnection() } }
        state.withLock { state in
            // Read under the lock: of two threads that report at once, the later one tells the later truth.
            let isAvailable = serving.allSatisfy(\.isAvailable)
            guard state.lastReported != isAvailable else { return }
            state.lastReported = isAvailable
            for observer in state.observers.values { observer.yield(isAvailable) }
        }
    }
}
