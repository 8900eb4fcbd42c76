/// Places, numbers below 2^32 - 1, that are found by the hash of what stands there: eight to sixteen bytes for each, where a dictionary of
/// names takes ten times as much. It knows nothing of what stands there; whoever asks compares.
struct PlaceTable {
    /// 0: vacant; otherwise a place and 1. More than half of them are vacant, so that what is looked for is near.
    private var slots: [UInt32]
    /// How many more places can be put into it.
    private(set) var room: Int

    /// - Parameter room: for so many places.
    init(room: Int) {
        slots = [UInt32](repeating: 0, count: Self.slots(room))
        self.room = slots.count / 2
    }

    /// What a table takes in memory, in bytes.
    static func memory(room: Int) -> Int { slots(room) * MemoryLayout<UInt32>.stride }

    private static func slots(_ room: Int) -> Int {
        var count = 4
        while count < 2 * room { count *= 2 }
        return count
    }

    /// The place with this hash at which `isThere` finds what is looked for.
    func place<Failure: Error>(_ hash: Int, where isThere: (Int) throws(Failure) -> Bool) throws(Failure) -> Int? {
        let (_, place) = try find(hash, isThere)
        return place
    }

    /// Puts a place there, instead of the one at which `isThere` finds the same.
    ///
    /// - Returns: the place that was there.
    mutating func put<Failure: Error>(
        _ place: Int, _ hash: Int, insteadOf isThere: (Int) throws(Failure) -> Bool
    ) throws(Failure) -> Int? {
        let (slot, old) = try find(hash, isThere)
        slots[slot] = UInt32(truncatingIfNeeded: place &+ 1)
        if old == nil { room -= 1 }
        return old
    }

    private func find<Failure: Error>(_ hash: Int, _ isThere: (Int) throws(Failure) -> Bool) throws(Failure) -> (slot: Int, place: Int?) {
        let mask = slots.count - 1
        var slot = hash & mask
        while slots[slot] != 0 {
            let place = Int(slots[slot]) - 1
            if try isThere(place) { return (slot, place) }
            slot = (slot + 1) & mask
        }
        return (slot, nil)
    }
}
