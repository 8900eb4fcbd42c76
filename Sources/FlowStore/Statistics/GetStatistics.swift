import FlowModel
import Postgres

extension GetStatisticsCommand: StoreCommand {
    /// Figures are cached for a while (`Limits.statisticsAgeMilliseconds`), and computed once for all callers that ask meanwhile, so asking
    /// often costs nothing. Being shared, they are computed under the session's time-out instead of one caller's deadline.
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<FlowStatistics, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        let cache = store.resources.statistics
        let age = Duration.milliseconds(store.limits.statisticsAgeMilliseconds)
        switch cache.answer(self, maximumAge: age, orWait: { result in context.executor.execute { completion(result) } }) {
        case .cached(let statistics): completion(.success(statistics))
        case .waiting(isFirst: false): break
        case .waiting(isFirst: true):
            store.submitToBackground(StatisticsOperation(self), OperationContext()) { cache.finish(self, $0) }
        case .refused(let error): throw error
        }
    }
}
