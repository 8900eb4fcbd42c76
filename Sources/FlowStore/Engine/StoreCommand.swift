import FlowModel
import JSON
import Postgres
import Resources

/// A command that the store can carry out. Adding a command is one file that conforms a value of `FlowModel` to `TaskCommand`; saves and
/// loads conform to this directly, since a task for each would cost them time.
package protocol StoreCommand: Sendable {
    associatedtype Outcome: Sendable

    /// Checks what needs only the command, before anything is enqueued.
    func check(limits: Limits) throws(StateError)

    /// Checks the command and runs it. Never blocks; may be called from any thread. Each command does so itself rather than the store for
    /// all of them, so that the path of saves and loads is compiled for their own types.
    ///
    /// - Parameter completion: called exactly once unless this throws, on the context's executor, or on this thread before this returns.
    /// - Throws: what is wrong with the command; nothing was enqueued then.
    func run(
        on store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<Outcome, StateError>) -> Void
    ) throws(StateError)
}

extension StoreCommand {
    package func check(limits: Limits) throws(StateError) {}
}

/// A command that runs as a task, which is everything but saves and loads.
package protocol TaskCommand: StoreCommand {
    associatedtype Outcome

    /// Carries out the command, which was checked. What it does before it waits for the first time, it does on the thread of the call: so
    /// changes of a flow are enqueued in the order in which they came. From then on it runs on the context's executor.
    func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Outcome

    /// The bytes that the answer to a change may take beyond some thousand, reserved before the command runs: a change that was carried out is
    /// not to be answered OVERLOADED. Reads reserve what they read.
    func answerBytes(limits: Limits) -> Int
}

extension TaskCommand {
    package func answerBytes(limits: Limits) -> Int { 0 }
}

extension [Violation] {
    /// What they take in an answer.
    var answerBytes: Int { isEmpty ? 0 : reduce(1 << 10) { $0 + $1.byteCount } }
}

/// The head of a flow in an answer: with all labels, within the default limits. Where operators allow more of them, few flows have so many.
let headAnswerBytes = FlowRow.largestBytes(.defaults)

extension TaskCommand {
    package func run(
        on store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<Outcome, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        try context.reserve(taskBytes + answerBytes(limits: store.limits))
        Task.immediate(executorPreference: CompletionTaskExecutor(context.executor)) {
            let result: Result<Outcome, StateError>
            do throws(StateError) {
                result = .success(try await run(on: store, for: context))
            } catch {
                result = .failure(error)
            }
            completion(result)
        }
    }
}

/// Memory of a command's task while it waits: of 4,000 patches that waited for a lock each took 10 KB more than a save did.
private let taskBytes = 10 << 10

/// Runs the parts of a task as completions of an executor.
private final class CompletionTaskExecutor: TaskExecutor {
    private let executor: any CompletionExecutor

    /// nil: for the executor that runs completions wherever they come up. A task is not to run there, but on the threads for tasks.
    init?(_ executor: any CompletionExecutor) {
        if executor is InlineExecutor { return nil }
        self.executor = executor
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        executor.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// The result of a change.
enum ChangeOutcome: Sendable, Equatable {
    case saved(SavedVersion)
    case checkpoint(CheckpointRecord)
    case writes(WriteCounts)
    case lease(LeaseRow)
    case removed(Int64)

    var checkpoint: CheckpointRecord? { if case .checkpoint(let record) = self { record } else { nil } }
    var writes: WriteCounts? { if case .writes(let counts) = self { counts } else { nil } }
    var lease: LeaseRow? { if case .lease(let row) = self { row } else { nil } }
    var removed: Int64? { if case .removed(let count) = self { count } else { nil } }
}

/// The meaning of the row of a change's statement.
enum Answer: Sendable {
    case done(ChangeOutcome)
    /// Nothing was changed.
    case refused(StateError)
    /// Another change of the flow was committed after the statement's snapshot was taken, and the statement waited for it: it changed
    /// nothing, and its snapshot cannot tell why. A new snapshot can.
    case retry
}

package typealias CancellationToken = Postgres.CancellationToken
package typealias CompletionExecutor = Postgres.CompletionExecutor

/// How long a command may take, how to stop it, the account of its memory, and where its completion runs.
package struct OperationContext: Sendable {
    package var deadline: Instant?
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
        deadline: Instant? = nil, cancellation: CancellationToken? = nil,
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

    /// Bytes that are reserved now.
    var reservedBytes: Int { memory?.memory.reserved ?? 0 }

    /// Releases what is reserved beyond this many bytes: what an attempt took that is repeated.
    func release(to bytes: Int) { memory?.memory.release(reservedBytes - bytes) }

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
