import FlowModel
import Postgres
import Resources

package typealias CancellationToken = Postgres.CancellationToken
package typealias CompletionExecutor = Postgres.CompletionExecutor

/// How long a command may take, how to stop it, the account of its memory, and where its completion runs.
package struct OperationContext: Sendable {
    package var deadline: ContinuousClock.Instant?
    package var cancellation: CancellationToken?
    package var executor: any CompletionExecutor
    /// The caller for whom its computations take turns: those of one caller wait for each other (`ComputeScheduler`).
    package var caller: UInt64
    /// The account of its memory; nil: the store's own work, which is bounded by what it does.
    package var memory: (any MemoryHolder)?
    /// The place of a change that takes longer to prepare than others of its flow.
    var place: SubmissionOrder.Place?

    /// - Parameter executor: by default, completions run on the connection's thread and must only pass their value on.
    package init(
        deadline: ContinuousClock.Instant? = nil, cancellation: CancellationToken? = nil,
        executor: any CompletionExecutor = InlineExecutor.shared, caller: UInt64 = 0, memory: (any MemoryHolder)? = nil
    ) {
        self.deadline = deadline
        self.cancellation = cancellation
        self.executor = executor
        self.caller = caller
        self.memory = memory
    }

    /// The same context with an account of its own, which ends with this value.
    var withOwnMemory: OperationContext {
        var context = self
        context.memory = memory.map { MemoryAccount($0.memory.budget) }
        return context
    }

    /// The same context with a place in the flow's line, for a change that takes a while to prepare; an existing place is kept.
    func placed(_ key: FlowKey, in store: StateStore) -> OperationContext {
        if place != nil { return self }
        var context = self
        context.place = store.resources.order.place(key)
        return context
    }

    /// The same context without a place, for work that waits for its turn in another way.
    var withoutPlace: OperationContext {
        var context = self
        context.place = nil
        return context
    }

    /// Reserves so many bytes, until the call has ended and all work for it is done.
    /// - Throws: `overloaded`; `tooLarge` when there would never be enough.
    package func reserve(_ bytes: Int) throws(StateError) { try Self.reserve(bytes, of: memory) }

    static func reserve(_ bytes: Int, of memory: (any MemoryHolder)?) throws(StateError) {
        guard bytes > 0, let account = memory?.memory, !account.reserve(bytes) else { return }
        // Another try would fail alike: what the account holds belongs to this call.
        let all = account.reserved.addingReportingOverflow(bytes)
        if all.overflow || all.partialValue > account.budget.largest {
            let size = all.overflow ? .max : all.partialValue
            throw .tooLarge(what: "the memory that this would take", size: size, limit: account.budget.largest)
        }
        throw .outOfMemory(account.budget)
    }
}

/// Runs one stage of a command that has several; an error completes the command.
func completing<Value>(_ completion: (Result<Value, StateError>) -> Void, _ body: () throws(StateError) -> Void) {
    do throws(StateError) {
        try body()
    } catch {
        completion(.failure(error))
    }
}

extension StateError {
    /// The process has no memory left for another request.
    static func outOfMemory(_ budget: MemoryBudget) -> StateError {
        .overloaded(queued: budget.taken, limit: budget.limit, unit: StateError.memoryUnit, retryAfterMilliseconds: 1_000)
    }
}
