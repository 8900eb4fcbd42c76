import FlowModel
import Logging
import Postgres

/// Flows in PostgreSQL: takes commands, answers outcomes.
///
/// A change is acknowledged after its commit was confirmed; changes of one flow that go through one store are applied in the order in
/// which they were submitted. Any number of stores, in any number of processes, may work on one database.
public final class StateStore: Sendable {
    let database: Database
    public let limits: Limits
    private let logger: Logger

    let resources: StoreResources

    /// - Parameter database: its schema must be at `StoreSchema.migrations`; who owns it starts it and shuts it down.
    public init(database: Database, limits: Limits = Limits(), logger: Logger) {
        self.database = database
        self.limits = limits
        self.logger = logger
        resources = StoreResources(limits: limits)
    }

    /// Checks the command and queues it. `completion` is called exactly once, on the context's executor, possibly before `submit`
    /// returns. Never blocks. May be called from any thread.
    public func submit<Command: StoreCommand>(
        _ command: Command, context: OperationContext,
        completion: @escaping @Sendable (Result<Command.Outcome, StateError>) -> Void
    ) {
        let prepared: PreparedCommand<Command.Outcome>
        do {
            prepared = try command.prepare(resources)
        } catch {
            context.executor.execute { completion(.failure(error)) }
            return
        }
        switch prepared.form {
        case .change(let change, let outcome):
            submit(change, to: database.writer(shard: change.shard), context, completion) { outcome($0) }
        case .load(let load, let outcome): submit(load, to: database.reader, context, completion) { outcome($0) }
        case .query(let query, let shard):
            submit(query, to: shard.map { database.writer(shard: $0) } ?? database.reader, context, completion) { $0 }
        }
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

    private func submit<O: Postgres.Operation, Value, Outcome: Sendable>(
        _ operation: O, to lane: Lane, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<Outcome, StateError>) -> Void, _ outcome: @escaping @Sendable (Value) -> Outcome?
    ) where O.Outcome == Result<Value, StateError> {
        lane.submit(operation, deadline: context.deadline, cancellation: context.cancellation, executor: context.executor) {
            [self] result in
            let answer: Result<Outcome, StateError>
            switch result {
            case .success(.success(let value)):
                answer = outcome(value).map { .success($0) } ?? .failure(.internalFault("a command answered for another"))
            case .success(.failure(let error)): answer = .failure(error)
            case .failure(let error): answer = .failure(StateError(error))
            }
            if case .failure(let error) = answer { log(error) }
            completion(answer)
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
