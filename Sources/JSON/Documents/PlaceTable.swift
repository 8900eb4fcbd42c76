/// A hash table of places, numbers below 2^32 - 1, by the hash of the value at each place: eight to sixteen bytes a place, where a
/// dictionary of names takes ten times as much. The table does not hold the values: the caller compares them.
package struct PlaceTable {
    /// 0: vacant; otherwise the place plus 1. At least half of the slots are vacant, which keeps searches short.
    private var slots: [UInt32]
    /// How many more places fit.
    private(set) var room: Int

    /// - Parameter room: the number of places.
    package init(room: Int) {
        slots = [UInt32](repeating: 0, count: Self.slots(room))
        self.room = slots.count / 2
    }

    /// The memory of a table in bytes.
    package static func memory(room: Int) -> Int { slots(room) * MemoryLayout<UInt32>.stride }

    private static func slots(_ room: Int) -> Int {
        var count = 4
        while count < 2 * room { count *= 2 }
        return count
    }

    /// The place with this hash for which `isThere` is true.
    package func place<Failure: Error>(_ hash: Int, where isThere: (Int) throws(Failure) -> Bool) throws(Failure) -> Int? {
        let (_, place) = try find(hash, isThere)
        return place
    }

    /// Inserts a place, replacing the one for which `isThere` is true.
    ///
    /// - Returns: the place that was replaced.
    package mutating func put<Failure: Error>(
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
