import DequeModule
import FlowModel
import Resources
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
        // Metadata and labels are kept as they are and encoded (`Snapshot.encodedOnce`).
        cost = 1_024 + (isInChain ? 0 : bytes.state) + (chain?.byteCount ?? 0) + 2 * bytes.metadata
    }

    var head: FlowHead? { loaded?.head }
    var flowType: String? { loaded?.flowType }
    /// nil: it has none, or it is not known.
    var versionLabel: String? { loaded?.versionLabel }
}

/// The newest versions of the flows in use, and the bases through which older versions were read, within a bound on their bytes. Safe on
/// any thread.
final class VersionCache: MemoryBorrower {
    private struct BaseKey: Hashable {
        let flow: FlowKey
        let version: FlowVersion
    }

    private struct Bases {
        var states: ScanResistantCache<BaseKey, [UInt8]>
        /// The versions that were inserted for a flow; some may have been evicted since.
        var versions: ScanResistantCache<FlowKey, [FlowVersion]>
    }

    private let newest: Mutex<ScanResistantCache<FlowKey, CachedVersion>>
    private let bases: Mutex<Bases>
    private let connectionLosses = Atomic(0)
    private let loads = Atomic(0)
    private let hits = Atomic(0)
    private let capacity: Int
    /// Lends memory that requests leave free.
    private let lender = Mutex<MemoryBudget?>(nil)
    private let borrowed = Atomic(0)
    private let disposal = Disposal()

    /// Memory is borrowed in such pieces.
    private static let loanBytes = 1 << 20

    /// - Parameter capacity: a quarter of it is for bases. It borrows twice as much at most.
    init(capacity: Int) {
        self.capacity = capacity
        newest = Mutex(ScanResistantCache(capacity: capacity - capacity / 4))
        bases = Mutex(
            Bases(states: ScanResistantCache(capacity: capacity / 4), versions: ScanResistantCache(capacity: Self.flowsWithBases)))
    }

    /// Bytes of the cached states.
    var byteCount: Int { newest.withLock(\.cost) + bases.withLock(\.states.cost) }
    /// Without those that lie in borrowed memory, which is reserved.
    var ownBytes: Int { max(byteCount - borrowed.load(ordering: .relaxed), 0) }

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

    /// Looks up what answers a load of the newest version.
    func lookupForLoad(_ key: FlowKey) -> CachedVersion? {
        loads.wrappingAdd(1, ordering: .relaxed)
        return lookup(key).flatMap { $0.loaded == nil ? nil : $0 }
    }

    /// An entry answered a load: PostgreSQL confirmed that it is the newest version.
    func confirmed() { hits.wrappingAdd(1, ordering: .relaxed) }

    var statistics: VersionCacheStatistics {
        VersionCacheStatistics(
            flows: newest.withLock(\.count), bytes: byteCount, capacity: capacity + borrowed.load(ordering: .relaxed),
            loads: loads.load(ordering: .relaxed),
            hits: hits.load(ordering: .relaxed))
    }

    /// Inserts an entry, unless a newer one is cached.
    func insert(_ cached: CachedVersion, of key: FlowKey) {
        newest.withLock { cache in
            if let old = cache.value(key), old.version > cached.version, old.updatedAt >= cached.updatedAt { return }
            if cache.cost + cached.cost > cache.capacity { borrow(for: &cache) }
            cache.insert(cached, cost: cached.cost, for: key)
        }
    }

    // MARK: Borrowed memory

    /// From now on more than its own capacity is used, as long as requests leave memory free.
    func borrow(from budget: MemoryBudget) {
        lender.withLock { $0 = budget }
        budget.setBorrower(self)
    }

    private func borrow(for cache: inout ScanResistantCache<FlowKey, CachedVersion>) {
        guard borrowed.load(ordering: .relaxed) + Self.loanBytes <= 2 * capacity, let lender = lender.withLock(\.self),
            lender.lend(Self.loanBytes)
        else { return }
        borrowed.add(Self.loanBytes, ordering: .relaxed)
        cache.capacity += Self.loanBytes
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
}

extension VersionCache {
    /// Piece by piece, so that others get the lock in between.
    func giveBack(_ bytes: Int) {
        guard let lender = lender.withLock(\.self) else { return }
        var returned = 0
        while returned < bytes {
            let evicted: [CachedVersion]? = newest.withLock { cache in
                guard borrowed.load(ordering: .relaxed) >= Self.loanBytes else { return nil }
                borrowed.subtract(Self.loanBytes, ordering: .relaxed)
                // With what is counted here: another thread that needs memory sees both or neither.
                lender.endLoan(Self.loanBytes)
                return cache.shrink(to: cache.capacity - Self.loanBytes)
            }
            guard let evicted else { return }
            // Freeing hundreds of entries takes longer than the thread that needs the memory has.
            disposal.take(evicted, bytes: Self.loanBytes)
            returned += Self.loanBytes
        }
    }
}

/// Values by key within a bound on their cost; reading very many once does not evict what is used often. Pure.
///
///     new ──▶ [ small: a tenth ] ──used more than once──▶ [ main ] ──used since──▶ [ main ], at the end again
///                    │ hardly used                            │ not used
///                    ▼                                        ▼
///        evicted; the key is remembered,                   evicted
///        and goes to main when it comes again
///
/// This is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). A look-up moves nothing, it only counts.
struct ScanResistantCache<Key: Hashable, Value> {
    private struct Node {
        let key: Key
        let value: Value
        let cost: Int
    }

    /// Separate from the nodes, so that counting and moving retain and release nothing.
    private struct Link {
        var newer: Int
        var older: Int
        /// Since it came into its queue, at most `mostUses`.
        var uses: UInt8 = 0
        var isMain: Bool
    }

    private struct Queue {
        var newest = none
        var oldest = none
        var cost = 0
        var count = 0
    }

    private static var none: Int { -1 }
    private static var mostUses: UInt8 { 3 }
    /// A new value that was used so often goes to main.
    private static var usesForMain: UInt8 { 2 }
    private static var fewestGhosts: Int { 64 }
    /// Values that are moved before one is evicted, whatever its uses: others wait meanwhile.
    private static var mostMoves: Int { 64 }

    fileprivate(set) var capacity: Int
    private var places: [Key: Int] = [:]
    private var nodes: [Node?] = []
    private var links: [Link] = []
    private var vacant: [Int] = []
    private var small = Queue()
    private var main = Queue()
    /// Hashes of keys that were evicted from small, and their order.
    private var ghosts: Set<Int> = []
    private var ghostOrder: Deque<Int> = []

    /// - Parameter capacity: bounds the sum of all costs.
    init(capacity: Int) { self.capacity = capacity }

    var count: Int { places.count }
    var cost: Int { small.cost + main.cost }

    /// Looks up a value, and counts that as a use.
    mutating func value(_ key: Key) -> Value? {
        guard let place = places[key] else { return nil }
        if links[place].uses < Self.mostUses { links[place].uses += 1 }
        return nodes[place]?.value
    }

    /// Inserts a value, or replaces it, and evicts others until all fit. A value that costs more than a quarter of the capacity is not
    /// kept.
    mutating func insert(_ value: Value, cost: Int, for key: Key) {
        guard cost <= capacity / 4 else { return remove(key) }
        if let place = places[key], let old = nodes[place] {
            nodes[place] = Node(key: old.key, value: value, cost: cost)
            if links[place].isMain { main.cost += cost - old.cost } else { small.cost += cost - old.cost }
            if links[place].uses < Self.mostUses { links[place].uses += 1 }
        } else {
            add(Node(key: key, value: value, cost: cost), isMain: ghosts.remove(key.hashValue) != nil)
        }
        _ = evictUntilAllFit()
    }

    /// Has another capacity from now on.
    /// - Returns: what was evicted for it.
    mutating func shrink(to capacity: Int) -> [Value] {
        self.capacity = capacity
        return evictUntilAllFit()
    }

    mutating func remove(_ key: Key) {
        guard let place = places[key] else { return }
        _ = free(place)
    }

    mutating func removeAll() { self = ScanResistantCache(capacity: capacity) }

    // MARK: Eviction

    private mutating func evictUntilAllFit() -> [Value] {
        var evicted: [Value] = []
        var moves = 0
        while cost > capacity, count > 0 {
            if let value = evict(whateverItsUses: moves >= Self.mostMoves) {
                evicted.append(value)
                moves = 0
            } else {
                moves += 1
            }
        }
        return evicted
    }

    /// One step: evicts a value, or moves one.
    private mutating func evict(whateverItsUses isForced: Bool) -> Value? {
        if small.count > 0, small.cost > capacity / 10 || main.count == 0 { return evictFromSmall(isForced) }
        let place = main.oldest
        guard links[place].uses > 0, !isForced else { return free(place) }
        let uses = links[place].uses - 1
        unlink(place)
        link(place, isMain: true)
        links[place].uses = uses
        return nil
    }

    private mutating func evictFromSmall(_ isForced: Bool) -> Value? {
        let place = small.oldest
        if links[place].uses >= Self.usesForMain, !isForced {
            unlink(place)
            link(place, isMain: true)
            return nil
        }
        if let hash = nodes[place]?.key.hashValue, ghosts.insert(hash).inserted { ghostOrder.append(hash) }
        while ghostOrder.count > max(main.count, Self.fewestGhosts), let oldest = ghostOrder.popFirst() { ghosts.remove(oldest) }
        return free(place)
    }

    // MARK: Places

    private mutating func add(_ node: Node, isMain: Bool) {
        let place: Int
        if let free = vacant.popLast() {
            place = free
            nodes[place] = node
        } else {
            place = nodes.count
            nodes.append(node)
            links.append(Link(newer: Self.none, older: Self.none, isMain: isMain))
        }
        places[node.key] = place
        link(place, isMain: isMain)
    }

    private mutating func free(_ place: Int) -> Value? {
        unlink(place)
        let node = nodes[place]
        if let node { places[node.key] = nil }
        nodes[place] = nil
        vacant.append(place)
        return node?.value
    }

    /// Appends to a queue, with no uses.
    private mutating func link(_ place: Int, isMain: Bool) {
        var queue = isMain ? main : small
        links[place] = Link(newer: Self.none, older: queue.newest, isMain: isMain)
        if queue.newest != Self.none { links[queue.newest].newer = place }
        queue.newest = place
        if queue.oldest == Self.none { queue.oldest = place }
        queue.cost += nodes[place]?.cost ?? 0
        queue.count += 1
        if isMain { main = queue } else { small = queue }
    }

    private mutating func unlink(_ place: Int) {
        let link = links[place]
        var queue = link.isMain ? main : small
        if link.newer != Self.none { links[link.newer].older = link.older } else { queue.newest = link.older }
        if link.older != Self.none { links[link.older].newer = link.newer } else { queue.oldest = link.newer }
        queue.cost -= nodes[place]?.cost ?? 0
        queue.count -= 1
        if link.isMain { main = queue } else { small = queue }
    }
}
