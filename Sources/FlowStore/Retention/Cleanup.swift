import FlowModel
import Postgres

/// The settings of the clean-ups that the store starts by itself.
package struct CleanupSettings: Sendable {
    /// How long deleted flows keep their history; nil: for ever.
    package var deletedFlowHours: Int64? = 72
    /// Seconds from the start of one clean-up to the next.
    package var intervalSeconds: Int64 = 3_600

    package init() {}
}

extension CleanupCommand: StoreCommand {
    /// A clean-up takes many round trips, so it runs as a task, which stops between them when the call ends or has little time left.
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<CleanupResult, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        let place = try CleanupPlace(self)
        // The answer must be ready before the deadline.
        let end = context.deadline.map { $0 - .seconds(1) }
        let isOver: @Sendable () -> Bool = {
            context.cancellation?.isCancelled ?? false || end.map { $0 <= .now } ?? false
        }
        Task {
            let result: Result<CleanupResult, StateError>
            do throws(StateError) {
                var pass = CleanupPass(store: store, command: self, from: place, isOver: isOver)
                result = .success(try await pass.run())
            } catch {
                result = .failure(error)
            }
            context.executor.execute { completion(result) }
        }
    }
}
