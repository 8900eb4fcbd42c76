import FlowModel
import Postgres
import Resources

/// The settings of the clean-ups that the store starts by itself.
package struct CleanupSettings: Sendable {
    /// How long deleted flows keep their history; nil: for ever.
    package var deletedFlowHours: Int64? = 72
    /// Seconds from the start of one clean-up to the next.
    package var intervalSeconds: Int64 = 3_600

    package init() {}
}

extension CleanupCommand: TaskCommand {
    /// A clean-up takes many round trips. It stops between them when the call ends or has little time left. Between them it packs states
    /// anew, which may take longer than an event loop has, so it runs on the threads for tasks.
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> CleanupResult {
        // The answer must be ready before the deadline.
        let end = context.deadline.map { $0 - .seconds(1) }
        let isOver: @Sendable () -> Bool = {
            context.cancellation?.isCancelled ?? false || end.map { $0 <= .now } ?? false
        }
        let place = try CleanupPlace(self)
        return try await withTaskExecutorPreference(globalConcurrentExecutor) { () async -> Result<CleanupResult, StateError> in
            var pass = CleanupPass(store: store, command: self, from: place, isOver: isOver)
            do throws(StateError) { return .success(try await pass.run()) } catch { return .failure(error) }
        }.get()
    }
}
