/// Whose operations go first when much waits: callers take turns, so that one who asks for much makes others wait for
/// a batch and not for all that it asked for. Who has had the least goes first, then one operation of each in that order, and again. The
/// operations of one caller keep their order. Pure.
///
/// This is start-time fair queueing with rounds: a caller who comes begins just below the least that the waiting ones have had, so that turns
/// which a caller did not take are not kept for it.
struct CallerTurns {
    /// What callers that wait have had (`Operation.cost`).
    private var had: [UInt64: Int] = [:]

    /// Forgets what callers have had; for when little waits.
    mutating func reset() {
        if !had.isEmpty { had = [:] }
    }

    /// The next batch begins.
    ///
    /// - Parameters:
    ///   - callers: of what waits, in its order; nil: nothing waits there.
    ///   - limit: about so many places are asked for.
    /// - Returns: places in that order, those whose turn is first in front; nil when there is only one caller.
    mutating func next(_ callers: [UInt64?], limit: Int) -> [Int]? {
        let first = callers.first { $0 != nil }
        guard callers.contains(where: { $0 != nil && $0 != first }) else {
            reset()
            return nil
        }
        var places: [UInt64: [Int]] = [:]
        var order: [UInt64] = []
        for (place, caller) in callers.enumerated() {
            guard let caller else { continue }
            let count = places[caller]?.count ?? 0
            if count == 0 { order.append(caller) }
            // No more of one caller can go with the next batch.
            if count < limit { places[caller, default: []].append(place) }
        }
        had = had.filter { places[$0.key] != nil }
        let start = (had.values.min() ?? 0) &- 1
        for caller in order where had[caller] == nil { had[caller] = start }
        // Among equals the one whose first operation came first goes first.
        order = order.enumerated().sorted { one, other in
            let (first, second) = (had[one.element] ?? start, had[other.element] ?? start)
            return first == second ? one.offset < other.offset : first < second
        }.map(\.element)
        return Self.rounds(order.compactMap { places[$0] }, limit: limit)
    }

    /// The first of each, then the second of each, and so on.
    private static func rounds(_ places: [[Int]], limit: Int) -> [Int] {
        var (result, waiting, round) = ([Int](), places, 0)
        while result.count < limit, !waiting.isEmpty {
            for places in waiting { result.append(places[round]) }
            round += 1
            waiting.removeAll { $0.count == round }
        }
        return result
    }

    /// An operation of `caller` goes with this batch.
    mutating func took(_ caller: UInt64, cost: Int) { had[caller, default: 0] &+= cost }
}
