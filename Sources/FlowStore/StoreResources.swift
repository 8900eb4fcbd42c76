import FlowModel

/// What the commands of one store share.
final class StoreResources: Sendable {
    let limits: Limits
    let cache: VersionCache
    let zstd: ZstdPool
    let definitions: DefinitionCache
    let directory = DefinitionDirectory()
    let statistics = StatisticsCache()
    let validationCounts = ValidationCounts()

    init(limits: Limits) {
        self.limits = limits
        cache = VersionCache(capacity: limits.versionCacheBytes)
        zstd = ZstdPool()
        definitions = DefinitionCache(limits: limits)
    }
}
