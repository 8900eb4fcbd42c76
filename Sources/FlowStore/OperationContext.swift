import FlowModel
import Postgres

public typealias CancellationToken = Postgres.CancellationToken
public typealias CompletionExecutor = Postgres.CompletionExecutor

/// How long a command may take, how to stop it, and where its completion runs.
public struct OperationContext: Sendable {
    public var deadline: ContinuousClock.Instant?
    public var cancellation: CancellationToken?
    public var executor: any CompletionExecutor

    /// - Parameter executor: absent: completions run on the connection's thread and must only hand their value on.
    public init(
        deadline: ContinuousClock.Instant? = nil, cancellation: CancellationToken? = nil,
        executor: any CompletionExecutor = InlineExecutor.shared
    ) {
        self.deadline = deadline
        self.cancellation = cancellation
        self.executor = executor
    }
}

extension OperationContext {
    /// What an event loop may compute itself, in bytes of JSON: that takes as long as checking that they are JSON, some 100 µs.
    private static let computedAtOnce = 16 << 10

    /// Runs `work` here, on the executor, or on a thread that nobody else's calls wait for; `completion` on the executor in any case.
    ///
    /// - Parameter size: bytes that `work` goes through.
    func compute<Value: Sendable>(
        _ size: Int, _ completion: @escaping @Sendable (Result<Value, StateError>) -> Void,
        _ work: @escaping @Sendable () throws(StateError) -> Value
    ) {
        if size <= Self.computedAtOnce { return completion(Result(catching: work)) }
        Task {
            let result = Result(catching: work)
            executor.execute { completion(result) }
        }
    }
}

/// Runs one stage of a command that has several; what it throws completes the command.
func completing<Value>(_ completion: (Result<Value, StateError>) -> Void, _ body: () throws(StateError) -> Void) {
    do throws(StateError) {
        try body()
    } catch {
        completion(.failure(error))
    }
}
