import Synchronization

/// What a caller wants done in one transaction: it adds statements, and makes an outcome of their results.
///
/// Operations of several callers share a transaction and its commit (group commit), and those of one type share statements too, if the type
/// can combine them. A batch that fails is rolled back and its operations run again, each alone, so `enqueue` and `decode` may be called
/// more than once and must not have effects that a repetition would spoil. SQL that reports a conflict as a row rather than as an error
/// keeps the batch together.
package protocol Operation: Sendable {
    associatedtype Outcome: Sendable
    /// What `enqueue` remembers for `decode`: which result belongs to which operation.
    associatedtype Layout

    /// Bytes this operation adds to a batch (bounds a batch in bytes).
    var cost: Int { get }

    /// With which operations it may share a batch. Long operations (lists) have batches of their own, so that others need not wait behind
    /// them for a commit.
    var affinity: BatchAffinity { get }

    /// Its lock, as a number that is the same in every process: the writes of a batch are sent in this order, so that two servers whose
    /// batches touch the same rows wait for each other instead of deadlocking. Operations with the same number keep their order. `nil`
    /// takes no lock and may be reordered with any other.
    var lockOrder: UInt64? { get }

    /// Adds the statements of operations that run in one transaction, in their order. Runs on the connection's thread, and again when the
    /// operations are retried alone.
    static func enqueue(_ operations: [Self], into pipeline: inout Pipeline) -> Layout

    /// Whether these results, once committed, finish all operations (or all whose order matters). If so, the next batch is sent before they
    /// are decoded. Must be quick; may return `false` where only a closer look would tell.
    static func isFinal(_ results: [ResultRows], layout: Layout) -> Bool

    /// Called once all results of the statements have arrived, in order, and the commit was confirmed. Returns one step for each operation,
    /// in the order of `operations`. Runs on the connection's thread.
    static func decode(_ results: [ResultRows], of operations: [Self], layout: Layout) -> [Result<Step<Self>, PostgresError>]
}

/// With which operations an operation may share a batch.
package enum BatchAffinity: Sendable, Equatable {
    case any
    case exclusive
    /// With operations of the same number, which ask for the same; they join the batch from anywhere in the queue. Only for operations that
    /// may be reordered with any other (`lockOrder` is nil).
    case identical(UInt64)
}

/// Where an operation stands after a round trip.
package enum Step<O: Operation>: Sendable {
    case finished(O.Outcome)
    /// It needs another round trip, as this operation. It runs before all waiting operations, so that operations on a connection group with
    /// one connection keep their order.
    case again(O)
}

extension Operation {
    package var affinity: BatchAffinity { .any }
    package var lockOrder: UInt64? { nil }
    package static func isFinal(_ results: [ResultRows], layout: Layout) -> Bool { false }
}

/// An operation with statements of its own, which are not shared with others.
package protocol SingleOperation: Operation where Layout == [Range<Int>] {
    /// Adds its statements.
    func enqueue(into pipeline: inout Pipeline)

    /// Makes the next step from the results of its statements.
    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self>
}

extension SingleOperation {
    package static func enqueue(_ operations: [Self], into pipeline: inout Pipeline) -> [Range<Int>] {
        let first = pipeline.entries.count
        var start = first
        return operations.map { operation in
            operation.enqueue(into: &pipeline)
            defer { start = pipeline.entries.count }
            return (start - first)..<(pipeline.entries.count - first)
        }
    }

    package static func decode(
        _ results: [ResultRows], of operations: [Self], layout: [Range<Int>]
    ) -> [Result<Step<Self>, PostgresError>] {
        zip(operations, layout).map { operation, range in
            Result { () throws(PostgresError) in
                guard range.upperBound <= results.count else {
                    throw .protocolViolation("\(results.count) results for \(layout.last?.upperBound ?? 0) statements")
                }
                return try operation.decode(Array(results[range]))
            }
        }
    }
}

/// Statements in the order in which they are sent. `Operation.enqueue` fills it.
package struct Pipeline: ~Copyable {
    struct Entry {
        let statement: Statement
        let parameters: Parameters
    }

    private(set) var entries: [Entry] = []
    /// Whether the operations run again, one by one, because their batch was rolled back.
    package let isRepetition: Bool

    init(isRepetition: Bool = false) { self.isRepetition = isRepetition }

    package mutating func execute(_ statement: Statement, _ parameters: Parameters) {
        entries.append(Entry(statement: statement, parameters: parameters))
    }

    mutating func removeAll(after count: Int = 0) { entries.removeSubrange(count...) }
}

/// Where completions run, a whole batch at a time: called once per batch and executor, from a connection's thread or from the thread
/// that submits, shuts down or cancels.
package protocol CompletionExecutor: AnyObject, Sendable {
    func execute(_ work: @escaping @Sendable () -> Void)
    /// Calls `step`, which runs one completion, until it returns false. Other work may run in between.
    func executeSteps(_ step: @escaping @Sendable () -> Bool)
}

/// Runs completions at once, on the calling thread. For completions that only pass a value on.
package final class InlineExecutor: CompletionExecutor {
    package static let shared = InlineExecutor()

    private init() {}

    package func execute(_ work: @escaping @Sendable () -> Void) { work() }
    package func executeSteps(_ step: @escaping @Sendable () -> Bool) { while step() {} }
}

/// Cancels operations from any thread. A queued operation is removed without touching the database; a batch in flight is cancelled in
/// PostgreSQL once all its operations are cancelled.
package final class CancellationToken: Sendable {
    /// Where an operation is queued: its connection group and its number there.
    private struct Place {
        let group: ConnectionGroup
        let id: BatchQueue<Job>.ID
    }

    private struct State {
        var isCancelled = false
        /// Nearly every call has one operation at a time, so the first one needs no array.
        var place: Place?
        var others: [Place] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var isCancelled: Bool { state.withLock(\.isCancelled) }

    package func cancel() {
        let (place, others) = state.withLock { state in
            state.isCancelled = true
            defer { (state.place, state.others) = (nil, []) }
            return (state.place, state.others)
        }
        if let place { place.group.cancel(place.id) }
        for place in others { place.group.cancel(place.id) }
    }

    /// Remembers where to cancel; `false` when the token was already cancelled.
    func register(_ id: BatchQueue<Job>.ID, in group: ConnectionGroup) -> Bool {
        state.withLock { state in
            if state.isCancelled { return false }
            let place = Place(group: group, id: id)
            if state.place == nil { state.place = place } else { state.others.append(place) }
            return true
        }
    }

    func unregister(_ id: BatchQueue<Job>.ID, in group: ConnectionGroup) {
        state.withLock { state in
            if let place = state.place, place.id == id, place.group === group {
                state.place = nil
            } else {
                state.others.removeAll { $0.id == id && $0.group === group }
            }
        }
    }
}

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
