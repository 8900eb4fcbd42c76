/// Which numbers the versions of an archive have where they were imported: they count from 1 without gaps, in their order.
struct Renumbering {
    /// Where a run of numbers without a gap begins, there and here.
    private var runs: [(original: Int64, imported: Int64)] = []
    private var last: Int64 = 0
    /// How many versions there were so far.
    private(set) var count: Int64 = 0

    /// Whether some version has another number than it had.
    var changesNumbers: Bool { last != count }

    /// - Parameter original: higher than the one before.
    /// - Returns: the version's number here.
    mutating func add(_ original: Int64) -> Int64 {
        count += 1
        if original - 1 != last || runs.isEmpty { runs.append((original, count)) }
        last = original
        return count
    }

    /// The number here of a version that was added; nil when it is not in the archive.
    func imported(_ original: Int64) -> Int64? {
        guard original >= 1, original <= last else { return nil }
        // Parents are nearly always among the last ones.
        guard let index = runs.lastIndex(where: { $0.original <= original }) else { return nil }
        let number = runs[index].imported + (original - runs[index].original)
        let end = index + 1 < runs.count ? runs[index + 1].imported : count + 1
        return number < end ? number : nil
    }
}
