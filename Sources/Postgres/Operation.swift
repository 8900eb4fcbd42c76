/// What a caller wants done in one transaction: it adds statements, and makes an outcome of their results.
///
/// Operations of several callers share a transaction and its commit (group commit). A batch that fails is undone and its operations run
/// again, each alone, so `enqueue` and `decode` may be called more than once: they must not have effects of their own. SQL that answers a
/// conflict as a row rather than as an error keeps the group together.
public protocol Operation: Sendable {
    associatedtype Outcome: Sendable

    /// Bytes this operation adds to a batch (bounds a batch in bytes).
    var cost: Int { get }

    /// Long operations (lists) run in a batch of their own, so that nobody waits behind them for a commit.
    var runsAlone: Bool { get }

    /// What it locks, as a number that is the same in every process: writes of one batch are sent in this order, so that two servers
    /// whose batches touch the same rows wait for each other instead of deadlocking. Operations of one number keep their order.
    var lockOrder: UInt64 { get }

    /// Adds its statements. Runs on the connection's thread; again when the operation is retried alone.
    func enqueue(into pipeline: inout Pipeline)

    /// One call after all results of this operation's statements arrived, in order. The outcome is delivered only after the commit was
    /// confirmed. Runs on the connection's thread.
    func decode(_ results: [ResultRows]) throws(PostgresError) -> Outcome
}

extension Operation {
    public var runsAlone: Bool { false }
    public var lockOrder: UInt64 { 0 }
}

/// Statements in the order in which they are sent. `Operation.enqueue` fills it.
public struct Pipeline: ~Copyable {
    struct Entry {
        let statement: Statement
        let parameters: Parameters
    }

    private(set) var entries: [Entry] = []

    init() {}

    public mutating func execute(_ statement: Statement, _ parameters: Parameters) {
        entries.append(Entry(statement: statement, parameters: parameters))
    }

    mutating func removeAll(after count: Int = 0) { entries.removeSubrange(count...) }
}

/// Where completions run, a whole batch at a time: called once per batch and executor, from a connection's thread or from the thread
/// that submits, shuts down or cancels.
public protocol CompletionExecutor: AnyObject, Sendable {
    func execute(_ work: @escaping @Sendable () -> Void)
}

/// Runs completions at once, on the calling thread. For completions that only hand a value on.
public final class InlineExecutor: CompletionExecutor {
    public static let shared = InlineExecutor()

    private init() {}

    public func execute(_ work: @escaping @Sendable () -> Void) { work() }
}
