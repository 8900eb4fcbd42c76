/// Divides flows among statements. Pure.
enum CleanupPortion {
    struct Flow: Equatable {
        var id: String
        /// Versions that may exist.
        var versions: Int64
    }

    /// Portions in order, each of one flow, or of several with at most `most` versions together.
    static func portions(_ flows: [Flow], most: Int64) -> [[Flow]] {
        var (portions, sum): ([[Flow]], Int64) = ([], 0)
        for flow in flows {
            let next = max(flow.versions, 1)
            if portions.isEmpty || next > most - sum {
                portions.append([])
                sum = 0
            }
            portions[portions.count - 1].append(flow)
            sum += next
        }
        return portions
    }
}
