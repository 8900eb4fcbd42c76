import FlowModel
import Postgres

extension GetStatisticsCommand: TaskCommand {
    /// Figures are cached for a while (`Limits.statisticsAgeMilliseconds`), and computed once for all callers that ask meanwhile, so asking
    /// often costs nothing. Being shared, they are computed under the session's time-out instead of one caller's deadline.
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> FlowStatistics {
        let cache = store.resources.statistics
        let age = Duration.milliseconds(store.limits.statisticsAgeMilliseconds)
        return try await store.wait(context) { (_, completion) throws(StateError) in
            switch cache.answer(self, maximumAge: age, orWait: completion) {
            case .cached(let statistics): completion(.success(statistics))
            case .waiting(isFirst: false): break
            case .waiting(isFirst: true):
                store.enqueueInBackground(StatisticsOperation(self), OperationContext()) { cache.finish(self, $0) }
            case .refused(let error): throw error
            }
        }
    }
}
