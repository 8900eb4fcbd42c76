/// An operation in progress, with its type erased; its completion is called once.
///
/// `@unchecked Sendable`: one owner at a time. The submitting thread hands it to the connection group under the group's lock, which hands
/// it to one connection's thread (or to the thread that removes it), which sets the outcome and hands it to the executor. Each handover
/// synchronises.
class Job: @unchecked Sendable {
    let executor: any CompletionExecutor
    let cancellation: CancellationToken?
    let deadline: ContinuousClock.Instant?
    /// `Operation.lockOrder`.
    let lockOrder: UInt64?

    init(
        executor: any CompletionExecutor, cancellation: CancellationToken?, deadline: ContinuousClock.Instant?,
        lockOrder: UInt64?
    ) {
        self.executor = executor
        self.lockOrder = lockOrder
        self.cancellation = cancellation
        self.deadline = deadline
    }

    /// Operations of one type can be combined in a unit.
    var type: ObjectIdentifier { ObjectIdentifier(Job.self) }
    /// `Operation.cost` and `Operation.affinity`, of the next round trip.
    var cost: Int { 0 }
    var affinity: BatchAffinity { .any }
    /// Whether there is no outcome yet.
    var isUnfinished: Bool { false }
    /// Combines jobs of this one's type into a unit.
    func unit(of jobs: [Job]) -> TransactionUnit { TransactionUnit() }
    /// Makes `error` the outcome.
    func fail(_ error: PostgresError) {}
    /// Calls the completion with the outcome. Runs on the executor.
    func deliver() {}

    /// Why the caller no longer waits for the outcome; `nil` while it does.
    func abandonment(now: ContinuousClock.Instant) -> PostgresError? {
        if let cancellation, cancellation.isCancelled { return .cancelled }
        if let deadline, deadline <= now { return .deadlineExceeded }
        return nil
    }

    /// Delivers the outcomes, with one call per executor.
    static func deliver(_ jobs: [Job]) {
        guard let first = jobs.first else { return }
        if jobs.allSatisfy({ $0.executor === first.executor }) {
            let delivery = Delivery(jobs)
            first.executor.executeSteps { delivery.step() }
            return
        }
        var groups: [(executor: any CompletionExecutor, jobs: [Job])] = []
        for job in jobs {
            if let index = groups.firstIndex(where: { $0.executor === job.executor }) {
                groups[index].jobs.append(job)
            } else {
                groups.append((job.executor, [job]))
            }
        }
        for group in groups {
            let delivery = Delivery(group.jobs)
            group.executor.executeSteps { delivery.step() }
        }
    }
}

/// Delivers a batch's outcomes on one executor, one per step.
///
/// `@unchecked Sendable`: used by the executor only, which runs one step at a time.
private final class Delivery: @unchecked Sendable {
    private let jobs: [Job]
    private var next = 0

    init(_ jobs: [Job]) { self.jobs = jobs }

    /// - Returns: Whether there are more.
    func step() -> Bool {
        jobs[next].deliver()
        next += 1
        return next < jobs.count
    }
}

final class OperationJob<O: Operation>: Job, @unchecked Sendable {
    fileprivate private(set) var operation: O
    private let completion: @Sendable (Result<O.Outcome, PostgresError>) -> Void
    private var outcome: Result<O.Outcome, PostgresError>?

    init(
        _ operation: O, deadline: ContinuousClock.Instant?, cancellation: CancellationToken?, executor: any CompletionExecutor,
        completion: @escaping @Sendable (Result<O.Outcome, PostgresError>) -> Void
    ) {
        self.operation = operation
        self.completion = completion
        super.init(executor: executor, cancellation: cancellation, deadline: deadline, lockOrder: operation.lockOrder)
    }

    override var type: ObjectIdentifier { ObjectIdentifier(O.self) }
    override var cost: Int { operation.cost }
    override var affinity: BatchAffinity { operation.affinity }
    override var isUnfinished: Bool { outcome == nil }

    override func unit(of jobs: [Job]) -> TransactionUnit { OperationUnit<O>(jobs) }

    fileprivate func take(_ step: Result<Step<O>, PostgresError>) {
        switch step {
        case .success(.finished(let outcome)): self.outcome = .success(outcome)
        case .success(.again(let operation)): self.operation = operation
        case .failure(let error): outcome = .failure(error)
        }
    }

    override func fail(_ error: PostgresError) { outcome = .failure(error) }

    override func deliver() {
        guard let outcome else { return }
        self.outcome = nil
        completion(outcome)
    }
}

/// Jobs of one type that run in one transaction, with the type erased. Confined to the connection's thread.
class TransactionUnit {
    /// Adds the statements of all jobs.
    func enqueue(into pipeline: inout Pipeline) {}
    /// `Operation.isFinal`.
    func isFinal(_ results: [ResultRows]) -> Bool { false }
    /// Gives each job its outcome, or its next operation.
    func decode(_ results: [ResultRows]) {}
}

/// Generic classes are not compiled for their types: what they call is looked up at run time. So loops are written out here, over places
/// rather than over elements: `map` and `enumerated` would box each element.
private final class OperationUnit<O: Operation>: TransactionUnit {
    private let jobs: [Job]
    private let operations: [O]
    private var layout: O.Layout?

    init(_ jobs: [Job]) {
        self.jobs = jobs
        var operations: [O] = []
        operations.reserveCapacity(jobs.count)
        for job in jobs { operations.append(Self.own(job).operation) }
        self.operations = operations
    }

    /// Jobs of one `type` have one class: a type of operations has one class of jobs.
    private static func own(_ job: Job) -> OperationJob<O> { unsafeDowncast(job, to: OperationJob<O>.self) }

    override func enqueue(into pipeline: inout Pipeline) { layout = O.enqueue(operations, into: &pipeline) }

    override func isFinal(_ results: [ResultRows]) -> Bool { layout.map { O.isFinal(results, layout: $0) } ?? false }

    override func decode(_ results: [ResultRows]) {
        guard let layout else { return }
        let steps = O.decode(results, of: operations, layout: layout)
        for place in 0..<jobs.count {
            Self.own(jobs[place]).take(place < steps.count ? steps[place] : .failure(.protocolViolation("an operation has no result")))
        }
    }
}
