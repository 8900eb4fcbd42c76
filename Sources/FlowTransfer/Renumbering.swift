/// The numbers of an archive's versions where they were imported: from 1 without gaps, in their order.
package struct Renumbering {
    /// Where each run of numbers without a gap begins: the original and the imported number.
    private var runs: [(original: Int64, imported: Int64)] = []
    private var last: Int64 = 0
    /// Versions added so far.
    package private(set) var count: Int64 = 0

    package init() {}

    /// Whether the import changes the number of some version.
    package var changesNumbers: Bool { last != count }

    /// - Parameter original: Higher than the one before.
    /// - Returns: The version's imported number.
    package mutating func add(_ original: Int64) -> Int64 {
        count += 1
        if original - 1 != last || runs.isEmpty { runs.append((original, count)) }
        last = original
        return count
    }

    /// The imported number of a version that was added; nil when the archive does not have it.
    package func imported(_ original: Int64) -> Int64? {
        guard original >= 1, original <= last else { return nil }
        // Parents are nearly always among the last ones.
        guard let index = runs.lastIndex(where: { $0.original <= original }) else { return nil }
        let number = runs[index].imported + (original - runs[index].original)
        let end = index + 1 < runs.count ? runs[index + 1].imported : count + 1
        return number < end ? number : nil
    }
}
