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
    let loaded: LoadedState?
    let chain: VersionChain?
    /// Bytes in memory, roughly.
    let cost: Int

    init(version: FlowVersion, updatedAt: Timestamp, checkpointEpoch: Int64, snapshot: Snapshot?, chain: VersionChain?) {
        self.version = version
        self.updatedAt = updatedAt
        self.checkpointEpoch = checkpointEpoch
        self.chain = chain
        head = snapshot?.head
        loaded = snapshot.map { LoadedState(.snapshot($0), chain: chain) }
        // A state that is in the chain as well is the same array.
        let isInChain = chain?.levels.last?.version == version
        let state = isInChain ? 0 : snapshot?.state.count ?? 0
        cost = 1_024 + state + (chain?.byteCount ?? 0) + (snapshot?.version.metadata.count ?? 0)
    }
}

/// The newest versions of the flows in use, and the whole states that older versions were read through, within a bound on their bytes.
/// Safe on any thread.
final class VersionCache: Sendable {
    private struct BaseKey: Hashable {
        let flow: FlowKey
        let version: FlowVersion
    }

    private struct Bases {
        var states: LRUCache<BaseKey, [UInt8]>
        /// Which were kept of a flow; some may have gone since.
        var versions: LRUCache<FlowKey, [FlowVersion]>
    }

    private let newest: Mutex<LRUCache<FlowKey, KnownVersion>>
    private let bases: Mutex<Bases>
    private let connectionLosses = Atomic(0)

    /// - Parameter capacity: a quarter of it is for bases.
    init(capacity: Int) {
        newest = Mutex(LRUCache(capacity: capacity - capacity / 4))
        bases = Mutex(Bases(states: LRUCache(capacity: capacity / 4), versions: LRUCache(capacity: Self.flowsWithBases)))
    }

    /// What the states that it keeps take.
    var byteCount: Int { newest.withLock(\.cost) + bases.withLock(\.states.cost) }

    private static let flowsWithBases = 4_096
    private static let basesOfAFlow = 32

    /// Forgets everything when a connection was lost since the last call: a patch must not refer to a version that the database behind the
    /// next connection does not have (`Database.connectionLosses`).
    func keepUp(with losses: Int) {
        guard connectionLosses.load(ordering: .relaxed) != losses,
            connectionLosses.exchange(losses, ordering: .acquiringAndReleasing) != losses
        else { return }
        newest.withLock { $0.removeAll() }
        bases.withLock { bases in
            bases.states.removeAll()
            bases.versions.removeAll()
        }
    }

    func known(_ key: FlowKey) -> KnownVersion? { newest.withLock { $0.value(key) } }

    /// Keeps what is known now, unless something newer is.
    func learn(_ known: KnownVersion, of key: FlowKey) {
        newest.withLock { cache in
            if let old = cache.value(key), old.version > known.version, old.updatedAt >= known.updatedAt { return }
            cache.insert(known, cost: known.cost, for: key)
        }
    }

    /// What was known is of no use any more.
    func forget(_ key: FlowKey) {
        newest.withLock { $0.remove(key) }
        bases.withLock { bases in
            for version in bases.versions.value(key) ?? [] { bases.states.remove(BaseKey(flow: key, version: version)) }
            bases.versions.remove(key)
        }
    }

    // MARK: Bases of older versions

    /// Keeps a whole state that a version was read through.
    func learn(base state: [UInt8], _ version: FlowVersion, of key: FlowKey) {
        bases.withLock { bases in
            var versions = bases.versions.value(key) ?? []
            if !versions.contains(version) { versions.append(version) }
            bases.versions.insert(versions.suffix(Self.basesOfAFlow), cost: 1, for: key)
            bases.states.insert(state, cost: state.count + 128, for: BaseKey(flow: key, version: version))
        }
    }

    func bases(of key: FlowKey) -> [FlowVersion: [UInt8]] {
        bases.withLock { bases in
            var known: [FlowVersion: [UInt8]] = [:]
            for version in bases.versions.value(key) ?? [] { known[version] = bases.states.value(BaseKey(flow: key, version: version)) }
            return known
        }
    }

    /// Bytes in use.
    var cost: Int { newest.withLock { $0.cost } + bases.withLock { $0.states.cost } }
}
