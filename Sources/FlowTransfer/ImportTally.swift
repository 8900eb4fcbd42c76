/// What an import did, or would do, flow by flow.
package struct ImportTally {
    /// Problems that are named in the result at most; all are counted.
    private static let largestList = 20

    package private(set) var created: Int64 = 0
    package private(set) var continued: Int64 = 0
    package private(set) var unchanged: Int64 = 0
    package private(set) var conflicts: Int64 = 0
    package private(set) var refused: Int64 = 0
    package private(set) var different: Int64 = 0
    package private(set) var withoutLabels: Int64 = 0
    package private(set) var renumbered: Int64 = 0
    package private(set) var savedVersions: Int64 = 0
    package private(set) var savedCheckpoints: Int64 = 0
    package private(set) var savedWrites: Int64 = 0
    package private(set) var versionsWithoutOrigin: Int64 = 0
    package private(set) var problems: [String] = []

    package var flows: Int64 { created + continued + unchanged + conflicts + refused }

    package init() {}

    /// Adds a flow of which all versions were taken.
    /// - Returns: A line for the user, if the flow has a problem or a difference.
    package mutating func add(_ flow: FlowImporter, difference: FlowImporter.Difference?) -> String? {
        savedVersions += flow.savedVersions
        savedCheckpoints += flow.savedCheckpoints
        savedWrites += flow.savedWrites
        versionsWithoutOrigin += flow.versionsWithoutOrigin
        if flow.numbering.changesNumbers { renumbered += 1 }
        if let difference {
            different += 1
            if difference.lacksLabels { withoutLabels += 1 }
        }
        switch flow.problem {
        case .conflict?: conflicts += 1
        case .refused?: refused += 1
        case nil where flow.savedVersions == 0 && flow.savedCheckpoints == 0: unchanged += 1
        case nil where flow.versionsBefore == 0: created += 1
        case nil: continued += 1
        }
        guard let text = flow.problem?.text ?? difference?.text else { return nil }
        let line = "flow '\(flow.flow.flowID)': \(text)"
        if problems.count < Self.largestList { problems.append(line) }
        return line
    }
}
