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
