import FlowModel
import Postgres

extension GetStatisticsCommand: StoreCommand {
    /// Figures are kept for a while (`Limits.statisticsAgeMilliseconds`), and taken once for all who ask meanwhile: who asks again and again
    /// costs nothing. So they have nobody's deadline but the session's own.
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<FlowStatistics, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        let cache = store.resources.statistics
        let age = Duration.milliseconds(store.limits.statisticsAgeMilliseconds)
        switch cache.answer(self, maximumAge: age, orWait: { result in context.executor.execute { completion(result) } }) {
        case .known(let statistics): completion(.success(statistics))
        case .waiting(isFirst: false): break
        case .waiting(isFirst: true):
            store.submitToBackground(StatisticsOperation(self), OperationContext()) { cache.finish(self, $0) }
        case .refused(let error): throw error
        }
    }
}
