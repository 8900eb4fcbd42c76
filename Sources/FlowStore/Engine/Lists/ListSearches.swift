import FlowModel
import Resources
import Synchronization

/// How lists in the order of change have found their flows, so that the next page of the same list finds them as fast as it can be done:
/// by versions in their order, which takes as long as versions are passed over, or by sorting a slot, which takes as long as it has flows.
/// Which is faster depends on what the flows are and what is asked of them. Safe on any thread; never blocks.
final class ListSearches: Sendable {
    struct Search: Equatable, Sendable {
        /// The most versions to look at before slots are sorted.
        var versions: Int64
        /// Whether to count the flows of the slot if it is sorted.
        var measures: Bool
    }

    /// Which list: what it asks for, and the rows of its pages.
    struct Key: Hashable {
        let fingerprint: UInt64
        let size: Int
        /// Later pages may be in older and emptier slots.
        var isFirst: Bool
        /// Whether it asks for labels or ids, which few flows usually have, and which an index leads to.
        let isNarrow: Bool

        /// How a list is searched of which nothing is known. 2,000 versions take up to 5 ms, as sorting some thousand flows does: too little
        /// to matter once, and enough for 50 rows of what one flow of 40 has.
        var usual: Search { Search(versions: max(isNarrow ? 0 : 2_000, 2 * Int64(size)), measures: true) }
    }

    /// Four flows are found and sorted in the time in which one version is looked at with its head; searching may take as long as sorting.
    static let flowsPerVersion: Int64 = 4
    /// They take about 0.1 s.
    static let mostVersions: Int64 = 50_000
    /// More flows of a slot are not counted.
    static let largestCrowd = mostVersions * flowsPerVersion
    /// Then it is measured again: flows may have gathered in a slot, or left it. Measuring takes as long as sorting.
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

    /// Slots had to be sorted.
    ///
    /// - Parameter crowd: the flows of the last slot, if the search measured it.
    func sorted(_ key: Key, after search: Search, crowd: Int64, now: Instant = .now) {
        guard search.measures else {
            // Looking at versions was in vain.
            return known.withLock { $0[key]?.versions = 0 }
        }
        let enough = crowd / Self.flowsPerVersion
        remember(key, versions: search.versions < enough && key.size <= enough ? enough : 0, now: now)
    }

    func remember(_ key: Key, versions: Int64, now: Instant = .now) {
        known.withLock { known in
            if known.count >= Self.limit, known[key] == nil { known = [:] }
            known[key] = (versions, now + Self.remembered)
        }
    }
}
