/// The longest common subsequence of two sequences: the elements that a difference between them keeps.
///
/// E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), in the variation of §4b: it costs little where the sequences differ
/// little, however long they are, and takes memory for the differences only. It searches from both ends along diagonals k, where k is the
/// index in `one` minus the index in `other`, until the two paths meet; the parts before and behind that point are searched the same way.
struct CommonSubsequence {
    /// Equal elements in both sequences.
    struct Run: Equatable {
        var one: Int
        var other: Int
        var count: Int
    }

    /// A range of both sequences.
    private typealias Part = (one: Range<Int>, other: Range<Int>)

    private let one: [UInt32]
    private let other: [UInt32]
    private let budget: WorkBudget
    private var steps: Int
    private var runs: [Run] = []
    /// The furthest point on each diagonal, from the beginning of a part and from its end.
    private var forward = Reach()
    private var backward = Reach()

    /// - Parameter steps: the most allowed; those taken are subtracted. The search takes some bytes for each of their square root.
    /// - Returns: by indexes from 0, rising in both; nil when the search needs more steps.
    static func runs(_ one: [UInt32], _ other: [UInt32], steps: inout Int, _ budget: WorkBudget) throws(WorkStopped) -> [Run]? {
        var search = CommonSubsequence(one, other, steps, budget)
        let isDone = try search.search((one.indices, other.indices))
        steps = search.steps
        return isDone ? search.runs : nil
    }

    private init(_ one: [UInt32], _ other: [UInt32], _ steps: Int, _ budget: WorkBudget) {
        (self.one, self.other, self.steps, self.budget) = (one, other, steps, budget)
    }

    /// Recurses into two parts, each with half as many differences.
    ///
    /// - Returns: false when it needs more steps.
    private mutating func search(_ part: Part) throws(WorkStopped) -> Bool {
        var part = part
        let start = part.one.lowerBound
        while let first = part.one.first, let other = part.other.first, one[first] == self.other[other] {
            part = (part.one.dropFirst(), part.other.dropFirst())
        }
        note(part.one.lowerBound - start, endingAt: part.one.lowerBound, part.other.lowerBound)
        let end = part.one.upperBound
        while let last = part.one.last, let other = part.other.last, one[last] == self.other[other] {
            part = (part.one.dropLast(), part.other.dropLast())
        }
        let kept = end - part.one.upperBound
        try spend(part.one.lowerBound - start + kept)
        if !part.one.isEmpty, !part.other.isEmpty {
            guard let middle = try middle(of: part) else { return false }
            guard try search((part.one.lowerBound..<middle.one, part.other.lowerBound..<middle.other)),
                try search((middle.one..<part.one.upperBound, middle.other..<part.other.upperBound))
            else { return false }
        }
        note(kept, endingAt: end, part.other.upperBound + kept)
        return steps >= 0
    }

    private mutating func note(_ count: Int, endingAt one: Int, _ other: Int) {
        guard count > 0 else { return }
        let run = Run(one: one - count, other: other - count, count: count)
        if let last = runs.last, last.one + last.count == run.one, last.other + last.count == run.other {
            runs[runs.count - 1].count += count
        } else {
            runs.append(run)
        }
    }

    private mutating func spend(_ steps: Int) throws(WorkStopped) {
        self.steps -= steps
        try budget.spend(1 + steps / 16)
    }

    // MARK: The middle

    /// A point on a longest common subsequence, about half-way between the ends of a part. The part's first elements differ, and so do its
    /// last ones, so neither side of the point is empty.
    ///
    /// - Returns: nil when it needs more steps.
    private mutating func middle(of part: Part) throws(WorkStopped) -> (one: Int, other: Int)? {
        let (width, height) = (part.one.count, part.other.count)
        let delta = width - height
        forward.clear()
        backward.clear()
        for distance in 0...((width + height + 1) / 2) {
            forward.grow(to: distance)
            backward.grow(to: distance)
            let before = steps
            for diagonal in Self.diagonals(distance, width, height) {
                let place = forward.step(diagonal, distance, width, height)
                guard place >= 0 else { continue }
                let end = slide(part, from: place, diagonal)
                forward[diagonal] = end
                steps -= 1 + end - place
                if steps < 0 { return nil }
                // With an odd number of differences the path from the beginning has one more.
                if delta % 2 != 0, abs(delta - diagonal) < distance, meets(backward[delta - diagonal], end, width) {
                    return (part.one.lowerBound + end, part.other.lowerBound + end - diagonal)
                }
            }
            for diagonal in Self.diagonals(distance, width, height) {
                let place = backward.step(diagonal, distance, width, height)
                guard place >= 0 else { continue }
                let end = slideBack(part, from: place, diagonal)
                backward[diagonal] = end
                steps -= 1 + end - place
                if steps < 0 { return nil }
                if delta % 2 == 0, abs(delta - diagonal) <= distance, meets(forward[delta - diagonal], end, width) {
                    return (part.one.upperBound - end, part.other.upperBound - end + diagonal)
                }
            }
            try budget.spend(1 + (before - steps) / 16)
        }
        return nil
    }

    /// -d, -d + 2 … d, as far as they lie in the part.
    private static func diagonals(_ distance: Int, _ width: Int, _ height: Int) -> StrideThrough<Int> {
        let (below, above) = (max(0, distance - height), max(0, distance - width))
        return stride(from: 2 * below - distance, through: distance - 2 * above, by: 2)
    }

    private func meets(_ way: Int, _ end: Int, _ width: Int) -> Bool { way >= 0 && way + end >= width }

    private func slide(_ part: Part, from place: Int, _ diagonal: Int) -> Int {
        var (one, other) = (part.one.lowerBound + place, part.other.lowerBound + place - diagonal)
        while one < part.one.upperBound, other < part.other.upperBound, self.one[one] == self.other[other] {
            one += 1
            other += 1
        }
        return one - part.one.lowerBound
    }

    private func slideBack(_ part: Part, from place: Int, _ diagonal: Int) -> Int {
        var (one, other) = (part.one.upperBound - place, part.other.upperBound - place + diagonal)
        while one > part.one.lowerBound, other > part.other.lowerBound, self.one[one - 1] == self.other[other - 1] {
            one -= 1
            other -= 1
        }
        return part.one.upperBound - one
    }
}

/// The furthest point on each diagonal with so many differences, as an index in `one` from an end of a part; -1: none.
private struct Reach {
    /// Diagonal k is at 2k, -k at 2k - 1, so that the array grows at one end.
    private var places: [Int32] = []

    private static func index(_ diagonal: Int) -> Int { diagonal >= 0 ? 2 * diagonal : -2 * diagonal - 1 }

    subscript(diagonal: Int) -> Int {
        get { Int(places[Self.index(diagonal)]) }
        set { places[Self.index(diagonal)] = Int32(truncatingIfNeeded: newValue) }
    }

    mutating func clear() { places.removeAll(keepingCapacity: true) }

    /// Makes room for the diagonals that so many differences reach, and for their neighbours.
    mutating func grow(to distance: Int) {
        while places.count <= 2 * distance + 2 { places.append(-1) }
    }

    /// Where a diagonal is entered: from the one above by an addition or from the one below by a removal, whichever leads further without
    /// leaving the part.
    func step(_ diagonal: Int, _ distance: Int, _ width: Int, _ height: Int) -> Int {
        if distance == 0 { return 0 }
        let (added, removed) = (self[diagonal + 1], self[diagonal - 1])
        let byAddition = added >= 0 && added - diagonal <= height ? added : -1
        let byRemoval = removed >= 0 && removed < width ? removed + 1 : -1
        return max(byAddition, byRemoval)
    }
}
