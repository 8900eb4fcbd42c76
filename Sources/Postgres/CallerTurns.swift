/// The order in which callers are served when many operations wait. Callers take turns, so that a caller with many operations delays the
/// others by a batch, not by all its operations. The caller that has been served least is first; then each has one operation per round. The
/// operations of one caller keep their order. Pure.
///
/// This is start-time fair queueing with rounds: a new caller starts just below the least served of the waiting ones, so that a caller does
/// not collect turns while it submits nothing.
struct CallerTurns {
    /// How much each waiting caller has been served (`Operation.cost`).
    private var had: [UInt64: Int] = [:]
    /// For how many more batches `isBesideLightCallers` stays.
    private var lightBatches = 0

    /// Whether a few callers that submit little wait, or did a few batches ago. A batch is to be small then: they wait for the one in
    /// flight, and others may have filled it. When all callers submit much, or all submit little, small batches would only cost throughput.
    var isBesideLightCallers: Bool { lightBatches > 0 }

    /// Begins the next batch.
    ///
    /// - Parameters:
    ///   - callers: The caller of each waiting operation, in order; `nil` for an empty place.
    ///   - limit: About how many places to return.
    /// - Returns: Places in the order of service; `nil` when there is only one caller: these turns are over.
    mutating func next(_ callers: [UInt64?], limit: Int) -> [Int]? {
        var waiting: [(caller: UInt64, places: [Int])] = []
        var indices: [UInt64: Int] = [:]
        // The operations of a caller often come in bursts.
        var (last, index) = (UInt64?.none, 0)
        for (place, caller) in callers.enumerated() {
            guard let caller else { continue }
            if caller != last {
                index = indices[caller] ?? waiting.count
                if index == waiting.count {
                    indices[caller] = index
                    waiting.append((caller, []))
                }
                last = caller
            }
            // More of one caller cannot be in the next batch.
            if waiting[index].places.count < limit { waiting[index].places.append(place) }
        }
        guard waiting.count > 1 else { return nil }
        let light = waiting.reduce(0) { $0 + ($1.places.count <= limit / Self.lightShare ? $1.places.count : 0) }
        let areFew = light > 0 && light <= limit / Self.fewShare
        lightBatches = areFew ? Self.rememberedBatches : max(lightBatches - 1, 0)
        had = had.filter { indices[$0.key] != nil }
        let start = (had.values.min() ?? 0) &- 1
        for (caller, _) in waiting where had[caller] == nil { had[caller] = start }
        // Among callers served equally, the one whose operation was submitted first comes first.
        let order = waiting.map { had[$0.caller] ?? start }.enumerated().sorted { ($0.element, $0.offset) < ($1.element, $1.offset) }
        return Self.rounds(order.map { waiting[$0.offset].places }, limit: limit)
    }

    /// A caller is light when no more of it waits than this part of a limit.
    private static var lightShare: Int { 32 }
    /// Light callers are few when no more of them all waits than this part of a limit.
    private static var fewShare: Int { 8 }
    private static var rememberedBatches: Int { 16 }

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
