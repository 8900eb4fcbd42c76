import Resources
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

/// What a connection group does for a caller, round trip after round trip, until it has an outcome. Not generic, since generic classes are
/// not compiled for their types: what they do is looked up at run time, which cost a load a twentieth. Loads and changes of flows conform
/// themselves; `OperationWork` makes one of any `Operation`.
///
/// One owner at a time: the thread that enqueues it, then a connection's thread (or the thread that removes it from the queue), then the
/// executor. Each handover synchronises.
package protocol TransactionWork: AnyObject, Sendable {
    /// `Operation.cost` and `Operation.affinity`, of the next round trip.
    var cost: Int { get }
    var affinity: BatchAffinity { get }
    /// `Operation.lockOrder`.
    var lockOrder: UInt64? { get }
    /// Whether there is no outcome yet.
    var isUnfinished: Bool { get }
    /// Combines work of this one's class, which runs in one transaction.
    func unit(of works: [any TransactionWork]) -> any TransactionUnit
    /// Makes `error` the outcome.
    func fail(_ error: PostgresError)
    /// Tells the caller the outcome, once. Runs on the executor.
    func deliver()
}

extension TransactionWork {
    package var affinity: BatchAffinity { .any }
    package var lockOrder: UInt64? { nil }
}

/// Work of one class that runs in one transaction. Confined to the connection's thread.
package protocol TransactionUnit: AnyObject {
    /// Adds the statements of all.
    func enqueue(into pipeline: inout Pipeline)
    /// `Operation.isFinal`.
    func isFinal(_ results: [ResultRows]) -> Bool
    /// Gives each its outcome, or prepares it for its next round trip.
    func decode(_ results: [ResultRows])
}

extension TransactionUnit {
    package func isFinal(_ results: [ResultRows]) -> Bool { false }
}

/// Work in a connection group, with the caller's conditions.
final class Job: Sendable {
    let work: any TransactionWork
    let executor: any CompletionExecutor
    let cancellation: CancellationToken?
    let deadline: Instant?
    /// `Operation.lockOrder`.
    let lockOrder: UInt64?

    init(
        _ work: any TransactionWork, executor: any CompletionExecutor, cancellation: CancellationToken?, deadline: Instant?
    ) {
        self.work = work
        self.executor = executor
        self.cancellation = cancellation
        self.deadline = deadline
        lockOrder = work.lockOrder
    }

    /// Work of one class can be combined in a unit.
    var type: ObjectIdentifier { ObjectIdentifier(Swift.type(of: work)) }

    /// Why the caller no longer waits for the outcome; `nil` while it does.
    func abandonment(now: Instant) -> PostgresError? {
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
        jobs[next].work.deliver()
        next += 1
        return next < jobs.count
    }
}

/// An operation in progress.
///
/// `@unchecked Sendable`: see `TransactionWork`.
final class OperationWork<O: Operation>: TransactionWork, @unchecked Sendable {
    fileprivate private(set) var operation: O
    private let completion: @Sendable (Result<O.Outcome, PostgresError>) -> Void
    private var outcome: Result<O.Outcome, PostgresError>?

    init(_ operation: O, completion: @escaping @Sendable (Result<O.Outcome, PostgresError>) -> Void) {
        self.operation = operation
        self.completion = completion
    }

    var cost: Int { operation.cost }
    var affinity: BatchAffinity { operation.affinity }
    var lockOrder: UInt64? { operation.lockOrder }
    var isUnfinished: Bool { outcome == nil }

    func unit(of works: [any TransactionWork]) -> any TransactionUnit { OperationUnit(works.compactMap { $0 as? OperationWork<O> }) }

    fileprivate func take(_ step: Result<Step<O>, PostgresError>) {
        switch step {
        case .success(.finished(let outcome)): self.outcome = .success(outcome)
        case .success(.again(let operation)): self.operation = operation
        case .failure(let error): outcome = .failure(error)
        }
    }

    func fail(_ error: PostgresError) { outcome = .failure(error) }

    func deliver() {
        guard let outcome else { return }
        self.outcome = nil
        completion(outcome)
    }
}

private final class OperationUnit<O: Operation>: TransactionUnit {
    private let works: [OperationWork<O>]
    private let operations: [O]
    private var layout: O.Layout?

    init(_ works: [OperationWork<O>]) {
        self.works = works
        operations = works.map(\.operation)
    }

    func enqueue(into pipeline: inout Pipeline) { layout = O.enqueue(operations, into: &pipeline) }

    func isFinal(_ results: [ResultRows]) -> Bool { layout.map { O.isFinal(results, layout: $0) } ?? false }

    func decode(_ results: [ResultRows]) {
        guard let layout else { return }
        let steps = O.decode(results, of: operations, layout: layout)
        for (place, work) in works.enumerated() {
            work.take(place < steps.count ? steps[place] : .failure(.protocolViolation("an operation has no result")))
        }
    }
}
