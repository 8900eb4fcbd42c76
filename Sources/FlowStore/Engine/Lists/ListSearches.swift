import FlowModel
import Resources
import Synchronization

/// How lists in the order of change have found their flows, so that the next page of the same list finds them as fast as it can be done:
/// by the newest versions, which takes as long as versions are passed over, or by sorting a slot, which takes as long as it has flows.
/// Which is faster depends on what the flows are and what is asked of them. Safe on any thread; never blocks.
final class ListSearches: Sendable {
    struct Search: Equatable, Sendable {
        /// The most versions to look at before slots are sorted.
        var versions: Int64
        /// Whether to count the flows of the slot if it is sorted.
        var measures: Bool
    }

    /// Which list, and whether it is its first page: later ones may be in older and emptier slots.
    struct Key: Hashable {
        let fingerprint: UInt64
        let isFirst: Bool
        /// Whether it asks for labels or ids, which few flows usually have, and which an index leads to.
        let isNarrow: Bool

        /// How a list is searched of which nothing is known. 2,000 versions take up to 5 ms, as sorting some thousand flows does: too little
        /// to matter once, and enough for what one flow of 40 has.
        var usual: Search { Search(versions: isNarrow ? 100 : 2_000, measures: true) }
    }

    /// Four flows are found and sorted in the time in which one version is looked at with its head; searching may take as long as sorting.
    static let flowsPerVersion: Int64 = 4
    static let largestCrowd: Int64 = 200_000
    /// What flows do changes.
    static let remembered = Duration.seconds(30)
    /// More are forgotten together: they are a hint.
    static let limit = 4_096

    private let known = Mutex<[Key: (versions: Int64, until: Instant)]>([:])

    func search(_ key: Key, now: Instant = .now) -> Search {
        known.withLock { known in
            guard let search = known[key], search.until > now else { return key.usual }
            return Search(versions: search.versions, measures: false)
        }
    }

    /// - Parameter crowd: nil if the versions led to the page; otherwise the flows of the slot, or 0 if they were not counted.
    func found(_ key: Key, by search: Search, crowd: Int64?, now: Instant = .now) {
        // The usual search needs no memory.
        if crowd == nil, search == key.usual { return }
        let enough = (crowd ?? 0) / Self.flowsPerVersion
        let versions = crowd == nil ? search.versions : search.versions < enough ? enough : 0
        known.withLock { known in
            if known.count >= Self.limit { known = [:] }
            known[key] = (versions, now + Self.remembered)
        }
    }
}
