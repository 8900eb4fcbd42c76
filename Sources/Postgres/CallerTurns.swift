/// The order in which callers are served when many operations wait. Callers take turns, so that a caller with many operations delays the
/// others by a batch, not by all its operations. The caller that has been served least is first; then each has one operation per round. The
/// operations of one caller keep their order. Pure.
///
/// This is start-time fair queueing with rounds: a new caller starts just below the least served of the waiting ones, so that a caller does
/// not collect turns while it submits nothing.
struct CallerTurns {
    /// How much each waiting caller has been served (`Operation.cost`).
    private var had: [UInt64: Int] = [:]

    /// For when few operations wait.
    mutating func reset() {
        if !had.isEmpty { had = [:] }
    }

    /// Begins the next batch.
    ///
    /// - Parameters:
    ///   - callers: The caller of each waiting operation, in order; `nil` for an empty place.
    ///   - limit: About how many places to return.
    /// - Returns: Places in the order of service; `nil` when there is only one caller.
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
            // More of one caller cannot be in the next batch.
            if count < limit { places[caller, default: []].append(place) }
        }
        had = had.filter { places[$0.key] != nil }
        let start = (had.values.min() ?? 0) &- 1
        for caller in order where had[caller] == nil { had[caller] = start }
        // Among callers served equally, the one whose operation was submitted first comes first.
        order = order.enumerated().sorted { one, other in
            let (first, second) = (had[one.element] ?? start, had[other.element] ?? start)
            return first == second ? one.offset < other.offset : first < second
        }.map(\.element)
        return Self.rounds(order.compactMap { places[$0] }, limit: limit)
    }

    /// The first operation of each caller, then the second of each, and so on.
    private static func rounds(_ places: [[Int]], limit: Int) -> [Int] {
        var (result, waiting, round) = ([Int](), places, 0)
        while result.count < limit, !waiting.isEmpty {
            for places in waiting { result.append(places[round]) }
            round += 1
            waiting.removeAll { $0.count == round }
        }
        return result
    }

    /// An operation of `caller` is in the batch.
    mutating func took(_ caller: UInt64, cost: Int) { had[caller, default: 0] &+= cost }
}
