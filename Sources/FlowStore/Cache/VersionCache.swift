import FlowModel
import Synchronization

/// What is known of a flow's newest version. Versions never change, so what is known stays true; whether it is still the newest one
/// only PostgreSQL can tell. A class: what a load answers has two dozen fields, and is handed on several times.
final class KnownVersion: Sendable {
    let version: FlowVersion
    /// With the version it tells apart what two databases, or one and its restored backup, call by the same number.
    let updatedAt: Timestamp
    /// `flow.checkpoint_epoch` when the head was read.
    let checkpointEpoch: Int64
    let head: FlowHead?
    /// What a load answers; nil: only the chain is known, and perhaps the head.
    let outcome: LoadOutcome?
    let chain: VersionChain?
    /// Bytes in memory, roughly.
    let cost: Int

    init(version: FlowVersion, updatedAt: Timestamp, checkpointEpoch: Int64, snapshot: Snapshot?, chain: VersionChain?) {
        self.version = version
        self.updatedAt = updatedAt
        self.checkpointEpoch = checkpointEpoch
        self.chain = chain
        head = snapshot?.head
        outcome = snapshot.map { .snapshot($0) }
        // A state that is in the chain as well is the same array.
        let isInChain = chain?.levels.last?.version == version
        let state = isInChain ? 0 : snapshot?.state.count ?? 0
        cost = 1_024 + state + (chain?.byteCount ?? 0) + (snapshot?.version.metadata.count ?? 0)
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
