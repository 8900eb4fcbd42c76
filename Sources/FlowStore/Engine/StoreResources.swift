import Compression
import FlowModel

/// The resources that the commands of one store share.
final class StoreResources: Sendable {
    let limits: Limits
    private let currentHistory: @Sendable () -> Int
    let cache: VersionCache
    let zstd: ZstdPool
    let definitions: DefinitionCache
    let directory: DefinitionDirectory
    let turns: FlowTurns
    let order: SubmissionOrder
    let changes = ChangesUnderWay()
    let listTurns: ListTurns
    let statistics = StatisticsCache()
    let validationCounts = ValidationCounts()

    /// - Parameters:
    ///   - lists: the number of connections for lists.
    ///   - history: `Database.connectionLosses`.
    init(limits: Limits, lists: Int = 1, history: @escaping @Sendable () -> Int = { 0 }) {
        self.limits = limits
        currentHistory = history
        cache = VersionCache(capacity: limits.versionCacheBytes)
        zstd = ZstdPool()
        definitions = DefinitionCache(limits: limits)
        listTurns = ListTurns(turns: max(lists, 1), limits: limits)
        turns = FlowTurns(limit: limits.queuedOperations, flowLimit: limits.queuedOperationsPerFlow)
        order = SubmissionOrder(limit: limits.queuedOperations, flowLimit: max(limits.queuedOperations / 4, 1))
        directory = DefinitionDirectory(limits: limits)
    }

    /// A number that changes with each lost connection: the next one may lead to another server or a restored backup, and so to another
    /// history.
    var history: Int { currentHistory() }

    /// Removes cache entries of an earlier history.
    func follow() { cache.follow(with: history) }
}
