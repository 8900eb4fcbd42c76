/// What a caller wants done in one transaction: it adds statements, and makes an outcome of their results.
///
/// Operations of several callers share a transaction and its commit (group commit), and those of one type share statements too, if the
/// type can combine them. A batch that fails is undone and its operations run again, each alone, so `enqueue` and `decode` may be called
/// more than once: they must not have effects that a repetition would spoil. SQL that answers a conflict as a row rather than as an error
/// keeps the group together.
public protocol Operation: Sendable {
    associatedtype Outcome: Sendable
    /// What `enqueue` remembers for `decode`: which result belongs to which operation.
    associatedtype Layout

    /// Bytes this operation adds to a batch (bounds a batch in bytes).
    var cost: Int { get }

    /// With whom it may share a batch. Long operations (lists) have batches of their own, so that others need not wait behind them
    /// for a commit.
    var company: Company { get }

    /// What it locks, as a number that is the same in every process: writes of one batch are sent in this order, so that two servers
    /// whose batches touch the same rows wait for each other instead of deadlocking. Operations of one number keep their order. `nil`
    /// locks nothing and may change places with everybody.
    var lockOrder: UInt64? { get }

    /// Adds the statements of operations that run in one transaction, in their order. Runs on the connection's thread; again when they
    /// are retried alone.
    static func enqueue(_ operations: [Self], into pipeline: inout Pipeline) -> Layout

    /// Whether these answers, once committed, leave no operation with another round trip to make (or none whose order matters). If so the
    /// next batch goes out before they are decoded. Must be quick, and may say no for want of a closer look.
    static func isFinal(_ results: [ResultRows], layout: Layout) -> Bool

    /// One call after all results of the statements arrived, in order, and the commit was confirmed: one step for each operation, in the
    /// order of `operations`. Runs on the connection's thread.
    static func decode(_ results: [ResultRows], of operations: [Self], layout: Layout) -> [Result<Step<Self>, PostgresError>]
}

/// With whom an operation may share a batch.
public enum Company: Sendable, Equatable {
    case anybody
    case nobody
    /// With operations of the same number, which ask for the same; these come along from wherever they stand in the queue. So only for
    /// what may change places with everybody (`lockOrder` is nil).
    case equals(UInt64)
}

/// Where an operation stands after a round trip.
public enum Step<O: Operation>: Sendable {
    case finished(O.Outcome)
    /// It takes another round trip, as this operation. It goes before everything that waits, so that the order of operations on one lane
    /// with one connection stays what it was.
    case again(O)
}

extension Operation {
    public var company: Company { .anybody }
    public var lockOrder: UInt64? { nil }
    public static func isFinal(_ results: [ResultRows], layout: Layout) -> Bool { false }
}

/// An operation with statements of its own, which are not shared with others.
public protocol SingleOperation: Operation where Layout == [Range<Int>] {
    /// Adds its statements.
    func enqueue(into pipeline: inout Pipeline)

    /// Makes the outcome of the results of its statements.
    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self>
}

extension SingleOperation {
    public static func enqueue(_ operations: [Self], into pipeline: inout Pipeline) -> [Range<Int>] {
        let first = pipeline.entries.count
        var start = first
        return operations.map { operation in
            operation.enqueue(into: &pipeline)
            defer { start = pipeline.entries.count }
            return (start - first)..<(pipeline.entries.count - first)
        }
    }

    public static func decode(
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
public struct Pipeline: ~Copyable {
    struct Entry {
        let statement: Statement
        let parameters: Parameters
    }

    private(set) var entries: [Entry] = []
    /// Whether the operations run once more, one by one, because their batch was undone.
    public let isRepetition: Bool

    init(isRepetition: Bool = false) { self.isRepetition = isRepetition }

    public mutating func execute(_ statement: Statement, _ parameters: Parameters) {
        entries.append(Entry(statement: statement, parameters: parameters))
    }

    mutating func removeAll(after count: Int = 0) { entries.removeSubrange(count...) }
}

/// Where completions run, a whole batch at a time: called once per batch and executor, from a connection's thread or from the thread
/// that submits, shuts down or cancels.
public protocol CompletionExecutor: AnyObject, Sendable {
    func execute(_ work: @escaping @Sendable () -> Void)
    /// Calls `step`, which runs a completion, again and again until it returns false. Something else may run in between.
    func executeSteps(_ step: @escaping @Sendable () -> Bool)
}

/// Runs completions at once, on the calling thread. For completions that only hand a value on.
public final class InlineExecutor: CompletionExecutor {
    public static let shared = InlineExecutor()

    private init() {}

    public func execute(_ work: @escaping @Sendable () -> Void) { work() }
    public func executeSteps(_ step: @escaping @Sendable () -> Bool) { while step() {} }
}
