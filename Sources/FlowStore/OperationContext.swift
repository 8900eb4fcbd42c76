import FlowModel
import Postgres
public import Resources

public typealias CancellationToken = Postgres.CancellationToken
public typealias CompletionExecutor = Postgres.CompletionExecutor

/// How long a command may take, how to stop it, what it may hold in memory, and where its completion runs.
public struct OperationContext: Sendable {
    public var deadline: ContinuousClock.Instant?
    public var cancellation: CancellationToken?
    public var executor: any CompletionExecutor
    /// Whose turn its computations take: those of one caller wait for each other (`ComputeScheduler`).
    public var caller: UInt64
    /// Where the memory that it takes is counted; nil: the store's own work, which is bounded by what it does.
    public var memory: (any MemoryHolder)?
    /// The place of a change that takes longer to make ready than others of its flow.
    var place: SubmissionOrder.Place?

    /// - Parameter executor: absent: completions run on the connection's thread and must only hand their value on.
    public init(
        deadline: ContinuousClock.Instant? = nil, cancellation: CancellationToken? = nil,
        executor: any CompletionExecutor = InlineExecutor.shared, caller: UInt64 = 0, memory: (any MemoryHolder)? = nil
    ) {
        self.deadline = deadline
        self.cancellation = cancellation
        self.executor = executor
        self.caller = caller
        self.memory = memory
    }

    /// The same with an account of its own, which ends with this value.
    var withOwnMemory: OperationContext {
        var context = self
        context.memory = memory.map { MemoryAccount($0.memory.budget) }
        return context
    }

    /// The same with a place in the line of a flow whose change takes a while to make ready; one that has a place already keeps it.
    func placed(_ key: FlowKey, in store: StateStore) -> OperationContext {
        if place != nil { return self }
        var context = self
        context.place = store.resources.order.place(key)
        return context
    }

    /// The same without a place: what it is used for waits for its turn otherwise.
    var withoutPlace: OperationContext {
        var context = self
        context.place = nil
        return context
    }

    /// Makes room for so many bytes, until the call has ended and what works for it is done.
    /// - Throws: `overloaded`; `tooLarge` when there would never be enough.
    public func reserve(_ bytes: Int) throws(StateError) { try Self.reserve(bytes, of: memory) }

    static func reserve(_ bytes: Int, of memory: (any MemoryHolder)?) throws(StateError) {
        guard bytes > 0, let account = memory?.memory, !account.reserve(bytes) else { return }
        // Another try would find the same: what the account holds is this call's.
        let all = account.reserved.addingReportingOverflow(bytes)
        if all.overflow || all.partialValue > account.budget.largest {
            let size = all.overflow ? .max : all.partialValue
            throw .tooLarge(what: "the memory that this would take", size: size, limit: account.budget.largest)
        }
        throw .outOfMemory(account.budget)
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

extension StateError {
    /// The process has no memory for another request.
    static func outOfMemory(_ budget: MemoryBudget) -> StateError {
        .overloaded(queued: budget.taken, limit: budget.limit, unit: "bytes", retryAfterMilliseconds: 1_000)
    }
}
