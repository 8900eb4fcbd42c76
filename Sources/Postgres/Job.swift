/// An operation on its way, with its type erased: statements in, outcome out, completion delivered once.
///
/// `@unchecked Sendable`: one owner at a time. The submitting thread hands it to the lane under the lane's lock, which hands it to one
/// connection's thread (or to whoever drops it), which sets the outcome and hands it to the executor. Each handover synchronises.
class Job: @unchecked Sendable {
    let executor: any CompletionExecutor
    let cancellation: CancellationToken?
    let deadline: ContinuousClock.Instant?
    /// `Operation.lockOrder`.
    let lockOrder: UInt64

    init(
        executor: any CompletionExecutor, cancellation: CancellationToken?, deadline: ContinuousClock.Instant?,
        lockOrder: UInt64
    ) {
        self.executor = executor
        self.lockOrder = lockOrder
        self.cancellation = cancellation
        self.deadline = deadline
    }

    /// Adds the operation's statements.
    func enqueue(into pipeline: inout Pipeline) {}
    /// Makes the outcome of the results.
    func decode(_ results: [ResultRows]) {}
    /// Makes `error` the outcome.
    func fail(_ error: PostgresError) {}
    /// Calls the completion with the outcome. Runs on the executor.
    func deliver() {}

    /// Why nobody waits for the outcome any more; `nil` while somebody does.
    func abandonment(now: ContinuousClock.Instant) -> PostgresError? {
        if let cancellation, cancellation.isCancelled { return .cancelled }
        if let deadline, deadline <= now { return .deadlineExceeded }
        return nil
    }

    /// Delivers the outcomes, one call an executor.
    static func deliver(_ jobs: [Job]) {
        guard let first = jobs.first else { return }
        if jobs.allSatisfy({ $0.executor === first.executor }) {
            first.executor.execute { for job in jobs { job.deliver() } }
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
            let members = group.jobs
            group.executor.execute { for job in members { job.deliver() } }
        }
    }
}

final class OperationJob<O: Operation>: Job, @unchecked Sendable {
    private let operation: O
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

    override func enqueue(into pipeline: inout Pipeline) { operation.enqueue(into: &pipeline) }

    override func decode(_ results: [ResultRows]) {
        do throws(PostgresError) {
            outcome = .success(try operation.decode(results))
        } catch {
            outcome = .failure(error)
        }
    }

    override func fail(_ error: PostgresError) { outcome = .failure(error) }

    override func deliver() {
        guard let outcome else { return }
        self.outcome = nil
        completion(outcome)
    }
}
