/// The longest common subsequence of two sequences: what a difference between them may leave alone.
///
/// E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): it costs little where the sequences differ little, however long
/// they are.
struct CommonSubsequence {
    private let one: [Int]
    private let other: [Int]
    /// Row d has d + 1 places: how far in `one` d removals and additions lead on each diagonal k = -d, -d + 2 … d, where k is the place
    /// in `one` less the place in `other`.
    private var rows: [Int32] = []

    /// - Parameter steps: how many there may be; those that were taken are subtracted. Each takes up to 4 bytes.
    /// - Returns: pairs of places from 0, rising in both; nil when that takes more steps.
    static func pairs(_ one: [Int], _ other: [Int], steps: inout Int, _ budget: WorkBudget) throws(WorkStopped) -> [(Int, Int)]? {
        var search = CommonSubsequence(one, other)
        for distance in 0...(one.count + other.count) {
            let before = steps
            let isDone = search.extend(to: distance, steps: &steps)
            try budget.spend(1 + (before - steps) / 16)
            if isDone { return search.pairs(distance) }
            if steps < 0 { return nil }
        }
        return nil
    }

    private init(_ one: [Int], _ other: [Int]) {
        (self.one, self.other) = (one, other)
    }

    /// Adds a row.
    ///
    /// - Returns: whether it reaches the end of both.
    private mutating func extend(to distance: Int, steps: inout Int) -> Bool {
        for index in 0...distance {
            let diagonal = 2 * index - distance
            let start = start(distance, index).place
            var place = start
            while place < one.count, place - diagonal < other.count, one[place] == other[place - diagonal] { place += 1 }
            rows.append(Int32(place))
            steps -= 1 + place - start
            if steps < 0 { return false }
            if diagonal == one.count - other.count, place >= one.count { return true }
        }
        return false
    }

    /// Where a diagonal is entered: from the one above by an addition or from the one below by a removal, whichever leads further.
    private func start(_ distance: Int, _ index: Int) -> (place: Int, isAddition: Bool) {
        if distance == 0 { return (0, true) }
        let previous = (distance - 1) * distance / 2
        let added = index < distance ? Int(rows[previous + index]) : -1
        let removed = index > 0 ? Int(rows[previous + index - 1]) + 1 : -1
        return added >= removed ? (added, true) : (removed, false)
    }

    /// Goes the way back from the end.
    private func pairs(_ distance: Int) -> [(Int, Int)] {
        var pairs: [(Int, Int)] = []
        var diagonal = one.count - other.count
        var place = one.count
        for distance in (0...distance).reversed() {
            let (start, isAddition) = start(distance, (diagonal + distance) / 2)
            while place > start {
                place -= 1
                pairs.append((place, place - diagonal))
            }
            if !isAddition { place -= 1 }
            diagonal += isAddition ? 1 : -1
        }
        return pairs.reversed()
    }
}
