import FlowModel

/// What the commands of one store share.
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
    ///   - lists: connections for lists.
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

    /// Counts the histories of the database that there may have been: it changes with each lost connection, behind which there may be
    /// another server or a restored backup.
    var history: Int { currentHistory() }

    /// Forgets what belongs to an earlier history.
    func follow() { cache.keepUp(with: history) }
}
