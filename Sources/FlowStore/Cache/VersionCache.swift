import FlowModel
import Synchronization

/// What is known of a flow's newest version. Versions never change, so what is known stays true; whether it is still the newest one
/// only PostgreSQL can tell.
struct KnownVersion: Sendable {
    var version: FlowVersion
    /// With the version it tells apart what two databases, or one and its restored backup, call by the same number.
    var updatedAt: Timestamp
    /// `flow.checkpoint_epoch` when `snapshot` was read.
    var checkpointEpoch: Int64
    /// nil: only the chain is known.
    var snapshot: Snapshot?
    var chain: VersionChain?

    /// Bytes in memory, roughly. A state that is in the chain as well is the same array.
    var cost: Int {
        let state = snapshot.map { snapshot in
            chain?.levels.last?.version == version ? 0 : snapshot.state.count
        }
        return 1_024 + (state ?? 0) + (chain?.byteCount ?? 0) + (snapshot?.version.metadata.count ?? 0)
    }
}

/// The newest versions of the flows in use, within a bound on their bytes. Safe on any thread.
final class VersionCache: Sendable {
    private let cache: Mutex<LRUCache<FlowKey, KnownVersion>>

    init(capacity: Int) { cache = Mutex(LRUCache(capacity: capacity)) }

    func known(_ key: FlowKey) -> KnownVersion? { cache.withLock { $0.value(key) } }

    /// Keeps what is known now, unless something newer is.
    func learn(_ known: KnownVersion, of key: FlowKey) {
        cache.withLock { cache in
            if let old = cache.value(key), old.version > known.version, old.updatedAt >= known.updatedAt { return }
            cache.insert(known, cost: known.cost, for: key)
        }
    }

    /// What was known is of no use any more.
    func forget(_ key: FlowKey) { cache.withLock { $0.remove(key) } }

    /// Bytes in use.
    var cost: Int { cache.withLock { $0.cost } }
}
