import FlowModel
import Logging
import Postgres

/// Flows in PostgreSQL: takes commands, answers outcomes.
///
/// A change is acknowledged after its commit was confirmed; changes of one flow that go through one store are applied in the order in
/// which they were submitted. Any number of stores, in any number of processes, may work on one database.
public final class StateStore: Sendable {
    private let database: Database
    public let limits: Limits
    private let logger: Logger

    /// - Parameter database: its schema must be at `StoreSchema.migrations`; who owns it starts it and shuts it down.
    public init(database: Database, limits: Limits = Limits(), logger: Logger) {
        self.database = database
        self.limits = limits
        self.logger = logger
    }

    /// Checks the command and queues it. `completion` is called exactly once, on the context's executor, possibly before `submit`
    /// returns. Never blocks. May be called from any thread.
    public func submit<Command: StoreCommand>(
        _ command: Command, context: OperationContext,
        completion: @escaping @Sendable (Result<Command.Outcome, StateError>) -> Void
    ) {
        let prepared: PreparedCommand<Command.Outcome>
        do {
            prepared = try command.prepare(limits: limits)
        } catch {
            context.executor.execute { completion(.failure(error)) }
            return
        }
        submit(prepared, context: context, attempt: 1, completion: completion)
    }

    /// As `submit`, for tasks. Cancelling the task cancels the command.
    public func run<Command: StoreCommand>(
        _ command: Command, deadline: ContinuousClock.Instant? = nil
    ) async throws(StateError) -> Command.Outcome {
        let token = CancellationToken()
        let context = OperationContext(deadline: deadline, cancellation: token)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                submit(command, context: context) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            token.cancel()
        }
        return try result.get()
    }

    /// Each further attempt means that somebody else's change of the same flow was committed meanwhile.
    private static let maximumAttempts = 100

    private func submit<Outcome: Sendable>(
        _ prepared: PreparedCommand<Outcome>, context: OperationContext, attempt: Int,
        completion: @escaping @Sendable (Result<Outcome, StateError>) -> Void
    ) {
        lane(of: prepared).submit(
            StoreOperation(command: prepared), deadline: context.deadline, cancellation: context.cancellation,
            executor: context.executor
        ) { [self] result in
            switch result {
            case .success(.done(let outcome)): completion(.success(outcome))
            case .success(.refused(let error)):
                log(error)
                completion(.failure(error))
            case .success(.continued(let next)):
                submit(next, context: context, attempt: attempt, completion: completion)
            case .success(.raced) where attempt < Self.maximumAttempts:
                submit(prepared, context: context, attempt: attempt + 1, completion: completion)
            case .success(.raced): completion(.failure(.contention))
            case .failure(let error):
                let error = StateError(error)
                log(error)
                completion(.failure(error))
            }
        }
    }

    private func lane<Outcome: Sendable>(of prepared: PreparedCommand<Outcome>) -> Lane {
        switch prepared.lane {
        case .writer(let shard): database.writer(shard: shard)
        case .reader: database.reader
        }
    }

    /// What an operator must know even when no client tells.
    private func log(_ error: StateError) {
        switch error {
        case .dataLoss, .internalFault: logger.error("\(error.description)")
        default: break
        }
    }
}
