import Logging
import Resources
import Synchronization

/// A bounded queue of operations, and the connections that serve it, each owned by one thread. With one connection, the operations of one
/// caller run in the order in which they were submitted.
package final class ConnectionGroup: Sendable {
    /// What the group's operations do. Reads and lists (slow reads) may run again when their connection was lost. Background operations may
    /// write, are slow, and run one after the other.
    enum Role { case writes, reads, lists, background }

    let role: Role
    /// Logs what makes the group's operations fail.
    let conditions: Conditions
    private let queue: Mutex<BatchQueue<Job>>
    /// One per connection.
    private let wakeups: [Wakeup]
    /// How long a read whose connection was lost waits for another.
    private let retryWindow: Duration
    private let losses: Database.ConnectionLosses
    /// Why operations are refused for now; `nil` once they are accepted.
    private let preparing = Mutex<String?>(nil)
    private let isPreparing = Atomic(false)
    /// Called when a connection was made or lost.
    private let availabilityChanged: @Sendable () -> Void

    init(
        role: Role, limits: BatchQueue<Job>.Limits, connections: Int, retryWindow: Duration, losses: Database.ConnectionLosses,
        conditions: Conditions, availabilityChanged: @escaping @Sendable () -> Void
    ) throws(PostgresError) {
        self.role = role
        self.retryWindow = retryWindow
        self.losses = losses
        self.conditions = conditions
        self.availabilityChanged = availabilityChanged
        queue = Mutex(BatchQueue(limits: limits))
        var wakeups: [Wakeup] = []
        for _ in 0..<connections { wakeups.append(try Wakeup()) }
        self.wakeups = wakeups
    }

    /// Runs an operation in the next batch. `completion` is called exactly once, on `executor`, from any thread, possibly before
    /// this returns. Never blocks.
    ///
    /// Parameters are those of `enqueue(_ work:)`.
    package func enqueue<O: Operation>(
        _ operation: O, caller: UInt64 = 0, deadline: Instant?, cancellation: CancellationToken?,
        executor: any CompletionExecutor, completion: @escaping @Sendable (Result<O.Outcome, PostgresError>) -> Void
    ) {
        enqueue(
            OperationWork(operation, completion: completion), caller: caller, deadline: deadline, cancellation: cancellation,
            executor: executor)
    }

    /// Runs work in the next batch. `deliver` is called exactly once, on `executor`, from any thread, possibly before this returns. Never
    /// blocks.
    ///
    /// - Parameters:
    ///   - caller: Callers take turns when more operations wait than fit into a batch.
    ///   - deadline: The operation fails with `deadlineExceeded` when it passes before the operation was sent, or before its batch was
    ///     committed and all others in the batch have expired or were cancelled too.
    package func enqueue(
        _ work: any TransactionWork, caller: UInt64 = 0, deadline: Instant?, cancellation: CancellationToken?,
        executor: any CompletionExecutor
    ) {
        let job = Job(work, executor: executor, cancellation: cancellation, deadline: deadline)
        if isPreparing.load(ordering: .acquiring), let reason = preparing.withLock(\.self) {
            work.fail(.unavailable(message: reason, outcomeUnknown: false))
            return Job.deliver([job])
        }
        let (cost, affinity) = (work.cost, work.affinity)
        var isCancelled = false
        let admission = queue.withLock { queue in
            let admission = queue.enqueue(job, cost: cost, deadline: deadline, affinity: affinity, caller: caller, lock: job.lockOrder)
            // Under the queue's lock, so that the operation cannot finish before it is registered. The token never calls a group under its
            // own lock. If the token was already cancelled, the operation leaves the queue under the same lock, before a connection can
            // take it.
            if case .queued(let id, _) = admission, let cancellation, !cancellation.register(id, in: self) {
                isCancelled = queue.cancel(id) != nil
            }
            return admission
        }
        switch admission {
        case .refused(let error):
            work.fail(error)
            Job.deliver([job])
        case .queued(_, let wake):
            // Even if the operation was cancelled: the queue no longer counts that connection as idle.
            if let wake { DeferredSignals.signal(wakeups[wake]) }
            if isCancelled {
                work.fail(.cancelled)
                Job.deliver([job])
            }
        }
    }

    /// Runs the operation in the next batch and returns its outcome. Cancelling the task cancels the operation.
    package func run<O: Operation>(
        _ operation: O, deadline: Instant? = nil
    ) async throws(PostgresError) -> O.Outcome {
        let token = CancellationToken()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enqueue(operation, deadline: deadline, cancellation: token, executor: InlineExecutor.shared) {
                    continuation.resume(returning: $0)
                }
            }
        } onCancel: {
            token.cancel()
        }
        return try result.get()
    }

    /// Operations that wait now.
    package var queued: Int { queue.withLock(\.queued) }
    /// Whether a connection is up.
    package var isAvailable: Bool { queue.withLock(\.isConnected) }
    var unavailableReason: String? { queue.withLock(\.unavailableReason) }
    var isDraining: Bool { queue.withLock(\.isDraining) }
    /// Whether the group was shut down without waiting any longer.
    var isClosed: Bool { queue.withLock(\.isClosed) }

    /// Whether other transactions are known to hold locks.
    var hasHeldLocks: Bool { queue.withLock(\.hasHeldLocks) }
    /// When operations that were put aside because of their locks are to be tried.
    var nextTrial: Instant? { queue.withLock(\.nextTrial) }

    /// Refuses operations for this reason, until it is called with `nil`.
    func setPreparing(_ reason: String?) {
        preparing.withLock { $0 = reason }
        isPreparing.store(reason != nil, ordering: .releasing)
    }

    /// Wakes the connections' threads, to look at what has changed.
    func wake() {
        for wakeup in wakeups { wakeup.signal() }
    }

    func wakeup(of connection: Int) -> Wakeup { wakeups[connection] }

    // MARK: Called by cancellation tokens

    func cancel(_ id: BatchQueue<Job>.ID) {
        if let job = queue.withLock({ $0.cancel(id) }) {
            job.work.fail(.cancelled)
            Job.deliver([job])
        } else {
            // Perhaps in flight: the connections' threads look at their batches.
            wake()
        }
    }

    // MARK: Called by the connections' threads

    /// Puts aside operations whose locks another transaction holds.
    func putAside(_ entries: [BatchQueue<Job>.Entry]) {
        if entries.isEmpty { return }
        let now = Instant.now
        finish(queue.withLock { $0.putAside(entries, now: now) })
    }

    func locksFreed(_ locks: Set<UInt64>) {
        if locks.isEmpty { return }
        queue.withLock { queue in
            for lock in locks { queue.lockFreed(lock) }
        }
    }

    func take(for connection: Int) -> BatchQueue<Job>.Take {
        var expired: [BatchQueue<Job>.Failure] = []
        let now = Instant.now
        let take = queue.withLock { $0.take(for: connection, now: now, expired: &expired) }
        finish(expired)
        return take
    }

    func sweep() {
        let now = Instant.now
        finish(queue.withLock { $0.sweep(now: now) })
    }

    /// Connections that all groups have made so far.
    var connectionsMade: Int { losses.made.load(ordering: .acquiring) }

    /// Another group has made a connection: the threads of this one that pause between attempts try at once.
    func expectConnection() {
        queue.withLock { $0.expectConnection() }
        wake()
    }

    func connectionOpened(_ connection: Int) {
        queue.withLock { $0.connectionOpened(connection) }
        losses.made.add(1, ordering: .releasing)
        availabilityChanged()
    }

    func connectionLost(_ connection: Int, message: String, retry: [BatchQueue<Job>.Entry]) {
        losses.count.add(1, ordering: .releasing)
        let heldUntil = Instant.now + retryWindow
        let (failures, wake) = queue.withLock {
            $0.connectionLost(connection, message: message, retry: retry, heldUntil: heldUntil)
        }
        if let wake { wakeups[wake].signal() }
        finish(failures)
        availabilityChanged()
    }

    func attemptFailed(message: String) {
        finish(queue.withLock { $0.attemptFailed(message: message) })
        sweep()
    }

    /// Delivers the outcomes of finished jobs, and queues the others again, in front.
    func finish(_ entries: [BatchQueue<Job>.Entry]) {
        var finished: [Job] = []
        finished.reserveCapacity(entries.count)
        var unfinished: [BatchQueue<Job>.Entry] = []
        let now = Instant.now
        for entry in entries {
            if entry.element.work.isUnfinished, let reason = entry.element.abandonment(now: now) { entry.element.work.fail(reason) }
            if entry.element.work.isUnfinished {
                unfinished.append(entry.again(cost: entry.element.work.cost, affinity: entry.element.work.affinity))
            } else {
                entry.element.cancellation?.unregister(entry.id, in: self)
                finished.append(entry.element)
            }
        }
        Job.deliver(finished)
        if unfinished.isEmpty { return }
        let (failures, wake) = queue.withLock { $0.enqueueAgain(unfinished) }
        if let wake { wakeups[wake].signal() }
        finish(failures)
    }

    // MARK: Shutdown

    func drain() {
        finish(queue.withLock { $0.drain() })
        wake()
    }

    func close() {
        finish(queue.withLock { $0.close() })
        wake()
    }

    private func finish(_ failures: [BatchQueue<Job>.Failure]) {
        if failures.isEmpty { return }
        for failure in failures {
            failure.element.work.fail(failure.error)
            failure.element.cancellation?.unregister(failure.id, in: self)
        }
        Job.deliver(failures.map(\.element))
    }
}

/// Logs what makes operations of one kind fail, while it lasts. Shared by the threads of their connections.
final class Conditions: Sendable {
    /// What fails: "saves", "loads".
    private let kind: String
    private let logger: Logger
    private let log = Mutex(ConditionLog())
    /// Read after each batch.
    private let isCalm = Atomic(true)

    init(kind: String, logger: Logger) {
        self.kind = kind
        self.logger = logger
    }

    func failed(_ error: PostgresError) {
        guard let (key, message) = Self.condition(error) else { return }
        failed(key, message)
    }

    func failed(_ key: String, _ message: String) {
        let line = log.withLock { log in
            isCalm.store(false, ordering: .releasing)
            return log.failed(key, message, now: .now)
        }
        if let line { write(line) }
    }

    func succeeded() {
        if isCalm.load(ordering: .acquiring) { return }
        let lines = log.withLock { log in
            let lines = log.succeeded(now: .now)
            isCalm.store(log.isEmpty, ordering: .releasing)
            return lines
        }
        for line in lines { write(line) }
    }

    private func write(_ line: ConditionLog.Line) {
        switch line {
        case .began(let reason): logger.error("\(kind) fail", metadata: ["reason": "\(reason)"])
        case .lasts(let reason, let count): logger.error("\(kind) still fail", metadata: ["reason": "\(reason)", "failures": "\(count)"])
        case .ended(let reason, let count):
            logger.notice("\(kind) no longer fail", metadata: ["reason": "\(reason)", "failures": "\(count)"])
        }
    }

    /// An error that an operator can act on; `nil` for one that concerns a single caller: data that PostgreSQL refuses (class 22, 23), a
    /// deadline. Errors with the same SQLSTATE are one condition.
    static func condition(_ error: PostgresError) -> (key: String, message: String)? {
        switch error {
        // A statement that does not wait for locks expects them to be held; `ConnectionWorker` reports those that wait.
        case .server(.lockNotAvailable, _, _, _): return nil
        case .server(let state, let message, _, _):
            switch state.rawValue.prefix(2) {
            case "22", "23": return nil
            default: return (state.rawValue, "\(message) (SQLSTATE \(state))")
            }
        case .protocolViolation(let message): return ("protocol", message)
        // Lost connections and failed attempts to connect are logged where they are noticed.
        case .unavailable, .lockHeld, .overloaded, .deadlineExceeded, .cancelled, .shutdown, .incompatible: return nil
        }
    }
}
