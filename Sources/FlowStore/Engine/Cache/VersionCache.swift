import FlowModel
import Synchronization

/// A cache entry: what is known of a flow's newest version. Versions never change, so an entry stays true; only PostgreSQL can tell whether
/// it is still the newest one. A class: the result of a load has two dozen fields, and is passed on several times.
final class CachedVersion: Sendable {
    let version: FlowVersion
    /// With the version it tells apart versions of one number in two databases, or in a database and its restored backup.
    let updatedAt: Timestamp
    /// `flow.checkpoint_epoch` when the head was read.
    let checkpointEpoch: Int64
    /// The result of a load; nil: only the chain is known.
    let loaded: LoadedState?
    let chain: VersionChain?
    /// Approximate memory in bytes.
    let cost: Int

    init(version: FlowVersion, updatedAt: Timestamp, checkpointEpoch: Int64, loaded: LoadedState?, chain: VersionChain?) {
        self.version = version
        self.updatedAt = updatedAt
        self.checkpointEpoch = checkpointEpoch
        self.chain = chain
        self.loaded = loaded
        // A state that is also in the chain is the same array.
        let isInChain = chain?.levels.last?.version == version
        let bytes = loaded?.bytes ?? (state: 0, metadata: 0)
        cost = 1_024 + (isInChain ? 0 : bytes.state) + (chain?.byteCount ?? 0) + bytes.metadata
    }

    var head: FlowHead? { loaded?.head }
    var flowType: String? { loaded?.flowType }
}

/// The newest versions of the flows in use, and the bases through which older versions were read, within a bound on their bytes. Safe on
/// any thread.
final class VersionCache: Sendable {
    private struct BaseKey: Hashable {
        let flow: FlowKey
        let version: FlowVersion
    }

    private struct Bases {
        var states: LRUCache<BaseKey, [UInt8]>
        /// The versions that were inserted for a flow; some may have been evicted since.
        var versions: LRUCache<FlowKey, [FlowVersion]>
    }

    private let newest: Mutex<LRUCache<FlowKey, CachedVersion>>
    private let bases: Mutex<Bases>
    private let connectionLosses = Atomic(0)

    /// - Parameter capacity: a quarter of it is for bases.
    init(capacity: Int) {
        newest = Mutex(LRUCache(capacity: capacity - capacity / 4))
        bases = Mutex(Bases(states: LRUCache(capacity: capacity / 4), versions: LRUCache(capacity: Self.flowsWithBases)))
    }

    /// Bytes of the cached states.
    var byteCount: Int { newest.withLock(\.cost) + bases.withLock(\.states.cost) }

    private static let flowsWithBases = 4_096
    private static let basesOfAFlow = 32

    /// Empties the cache when a connection was lost since the last call: a patch must not refer to a version that is not in the database
    /// behind the next connection (`Database.connectionLosses`).
    func follow(with losses: Int) {
        guard connectionLosses.load(ordering: .relaxed) != losses,
            connectionLosses.exchange(losses, ordering: .acquiringAndReleasing) != losses
        else { return }
        newest.withLock { $0.removeAll() }
        bases.withLock { bases in
            bases.states.removeAll()
            bases.versions.removeAll()
        }
    }

    func lookup(_ key: FlowKey) -> CachedVersion? { newest.withLock { $0.value(key) } }

    /// Inserts an entry, unless a newer one is cached.
    func insert(_ cached: CachedVersion, of key: FlowKey) {
        newest.withLock { cache in
            if let old = cache.value(key), old.version > cached.version, old.updatedAt >= cached.updatedAt { return }
            cache.insert(cached, cost: cached.cost, for: key)
        }
    }

    /// Removes the flow's entry and its bases.
    func invalidate(_ key: FlowKey) {
        newest.withLock { $0.remove(key) }
        bases.withLock { bases in
            for version in bases.versions.value(key) ?? [] { bases.states.remove(BaseKey(flow: key, version: version)) }
            bases.versions.remove(key)
        }
    }

    // MARK: Bases of older versions

    /// Inserts a base through which a version was read.
    func insert(base state: [UInt8], _ version: FlowVersion, of key: FlowKey) {
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

/// Values by key within a bound on their cost: the least recently used value is evicted first. Pure; a linked list in an array.
struct LRUCache<Key: Hashable, Value> {
    private struct Node {
        let key: Key
        let value: Value
        let cost: Int
    }

    /// Separate from the nodes, so that moving one to the front retains and releases nothing.
    private struct Link {
        var newer: Int
        var older: Int
    }

    private static var none: Int { -1 }

    let capacity: Int
    private(set) var cost = 0
    private var places: [Key: Int] = [:]
    private var nodes: [Node?] = []
    private var links: [Link] = []
    private var vacant: [Int] = []
    private var newest = none
    private var oldest = none

    /// - Parameter capacity: bounds the sum of all costs.
    init(capacity: Int) { self.capacity = capacity }

    var count: Int { places.count }

    /// Looks up a value, which becomes the most recently used.
    mutating func value(_ key: Key) -> Value? {
        guard let place = places[key] else { return nil }
        if place != newest {
            unlink(place)
            link(place)
        }
        return nodes[place]?.value
    }

    /// Inserts a value, and evicts others until all fit. A value that costs more than a quarter of the capacity is not kept.
    mutating func insert(_ value: Value, cost: Int, for key: Key) {
        guard cost <= capacity / 4 else { return remove(key) }
        if let place = places[key], let old = nodes[place] {
            nodes[place] = Node(key: old.key, value: value, cost: cost)
            self.cost -= old.cost
            unlink(place)
            link(place)
        } else {
            add(Node(key: key, value: value, cost: cost))
        }
        self.cost += cost
        while self.cost > capacity, oldest != Self.none, let key = nodes[oldest]?.key { remove(key) }
    }

    private mutating func add(_ node: Node) {
        let place: Int
        if let free = vacant.popLast() {
            place = free
            nodes[place] = node
        } else {
            place = nodes.count
            nodes.append(node)
            links.append(Link(newer: Self.none, older: Self.none))
        }
        places[node.key] = place
        link(place)
    }

    mutating func remove(_ key: Key) {
        guard let place = places.removeValue(forKey: key), let node = nodes[place] else { return }
        unlink(place)
        cost -= node.cost
        nodes[place] = nil
        vacant.append(place)
    }

    mutating func removeAll() { self = LRUCache(capacity: capacity) }

    private mutating func link(_ place: Int) {
        links[place] = Link(newer: Self.none, older: newest)
        if newest != Self.none { links[newest].newer = place }
        newest = place
        if oldest == Self.none { oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        let link = links[place]
        if link.newer != Self.none { links[link.newer].older = link.older } else { newest = link.older }
        if link.older != Self.none { links[link.older].newer = link.newer } else { oldest = link.newer }
    }
}
