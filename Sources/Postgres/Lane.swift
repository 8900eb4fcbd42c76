import Synchronization

/// A bounded queue of operations, served by one or more connections, each owned by one thread. On a lane with one connection operations
/// run in the order in which they were submitted.
public final class Lane: Sendable {
    /// What the lane's operations do: reads may run again when a connection was lost under them. Background operations may write, take
    /// their time, and go one after the other.
    enum Role { case writes, reads, background }

    let role: Role
    private let queue: Mutex<BatchQueue<Job>>
    /// One a connection.
    private let wakeups: [Wakeup]
    /// How long a read waits for another connection when it lost its own.
    private let retryWindow: Duration
    private let losses: Database.ConnectionLosses
    /// Called when the lane gets its first or loses its last connection.
    private let availabilityChanged: @Sendable () -> Void

    init(
        role: Role, limits: BatchQueue<Job>.Limits, connections: Int, retryWindow: Duration, losses: Database.ConnectionLosses,
        availabilityChanged: @escaping @Sendable () -> Void
    ) throws(PostgresError) {
        self.role = role
        self.retryWindow = retryWindow
        self.losses = losses
        self.availabilityChanged = availabilityChanged
        queue = Mutex(BatchQueue(limits: limits))
        var wakeups: [Wakeup] = []
        for _ in 0..<connections { wakeups.append(try Wakeup()) }
        self.wakeups = wakeups
    }

    /// Runs the operation in the next batch. `completion` is called exactly once, on `executor`, from any thread, possibly before
    /// `submit` returns. Never blocks.
    ///
    /// - Parameter deadline: When it passes before the operation was sent, or before its batch was committed while all others in the
    ///   batch are late or cancelled too, the operation fails with `deadlineExceeded`.
    public func submit<O: Operation>(
        _ operation: O, deadline: ContinuousClock.Instant?, cancellation: CancellationToken?, executor: any CompletionExecutor,
        completion: @escaping @Sendable (Result<O.Outcome, PostgresError>) -> Void
    ) {
        let job = OperationJob(
            operation, deadline: deadline, cancellation: cancellation, executor: executor, completion: completion)
        let (cost, company) = (operation.cost, operation.company)
        var isCancelled = false
        let admission = queue.withLock { queue in
            let admission = queue.enqueue(job, cost: cost, deadline: deadline, company: company)
            // Under the lane's lock: the operation cannot finish before it is registered. The token never calls a lane under its own.
            // One cancelled before leaves the queue under the same lock, so that no connection takes it.
            if case .queued(let id, _) = admission, let cancellation, !cancellation.register(id, in: self) {
                isCancelled = queue.cancel(id) != nil
            }
            return admission
        }
        switch admission {
        case .refused(let error):
            job.fail(error)
            Job.deliver([job])
        case .queued(_, let wake):
            // In any case: the queue no longer counts that connection among the idle ones.
            if let wake { wakeups[wake].signal() }
            if isCancelled {
                job.fail(.cancelled)
                Job.deliver([job])
            }
        }
    }

    /// Runs the operation in the next batch and returns its outcome. Cancelling the task cancels the operation.
    public func run<O: Operation>(
        _ operation: O, deadline: ContinuousClock.Instant? = nil
    ) async throws(PostgresError) -> O.Outcome {
        let token = CancellationToken()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                submit(operation, deadline: deadline, cancellation: token, executor: InlineExecutor.shared) {
                    continuation.resume(returning: $0)
                }
            }
        } onCancel: {
            token.cancel()
        }
        return try result.get()
    }

    /// Operations that wait now.
    public var queued: Int { queue.withLock(\.count) }
    /// Whether a connection is up.
    public var isAvailable: Bool { queue.withLock(\.isConnected) }
    var unavailableReason: String? { queue.withLock(\.unavailableReason) }
    var isDraining: Bool { queue.withLock(\.isDraining) }
    /// Shut down without waiting any longer.
    var isClosed: Bool { queue.withLock(\.isClosed) }

    func wakeup(of connection: Int) -> Wakeup { wakeups[connection] }

    // MARK: Called by cancellation tokens

    func cancel(_ id: BatchQueue<Job>.ID) {
        if let job = queue.withLock({ $0.cancel(id) }) {
            job.fail(.cancelled)
            Job.deliver([job])
        } else {
            // Perhaps in flight: let the connections look at their batches.
            for wakeup in wakeups { wakeup.signal() }
        }
    }

    // MARK: Called by the connections' threads

    func take(for connection: Int) -> BatchQueue<Job>.Take {
        var expired: [BatchQueue<Job>.Failure] = []
        let now = ContinuousClock.now
        let take = queue.withLock { $0.take(for: connection, now: now, expired: &expired) }
        finish(expired)
        return take
    }

    func sweep() {
        let now = ContinuousClock.now
        finish(queue.withLock { $0.sweep(now: now) })
    }

    func connectionOpened(_ connection: Int) {
        queue.withLock { $0.connectionOpened(connection) }
        availabilityChanged()
    }

    func connectionLost(_ connection: Int, message: String, retry: [BatchQueue<Job>.Entry]) {
        losses.count.add(1, ordering: .releasing)
        let heldUntil = ContinuousClock.now + retryWindow
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

    /// Delivers the outcomes of jobs that have one, and queues the others again, in front.
    func finish(_ entries: [BatchQueue<Job>.Entry]) {
        var finished: [Job] = []
        finished.reserveCapacity(entries.count)
        var unfinished: [BatchQueue<Job>.Entry] = []
        let now = ContinuousClock.now
        for entry in entries {
            if entry.element.isUnfinished, let reason = entry.element.abandonment(now: now) { entry.element.fail(reason) }
            if entry.element.isUnfinished {
                unfinished.append(entry.again(cost: entry.element.cost, company: entry.element.company))
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
        for wakeup in wakeups { wakeup.signal() }
    }

    func close() {
        finish(queue.withLock { $0.close() })
        for wakeup in wakeups { wakeup.signal() }
    }

    private func finish(_ failures: [BatchQueue<Job>.Failure]) {
        if failures.isEmpty { return }
        for failure in failures {
            failure.element.fail(failure.error)
            failure.element.cancellation?.unregister(failure.id, in: self)
        }
        Job.deliver(failures.map(\.element))
    }
}
