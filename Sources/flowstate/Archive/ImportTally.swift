/// What an import did, or would do, flow by flow.
struct ImportTally {
    /// Problems that are named in the result at most; all are counted.
    private static let largestList = 20

    private(set) var created: Int64 = 0
    private(set) var continued: Int64 = 0
    private(set) var unchanged: Int64 = 0
    private(set) var conflicts: Int64 = 0
    private(set) var refused: Int64 = 0
    private(set) var different: Int64 = 0
    private(set) var withoutLabels: Int64 = 0
    private(set) var renumbered: Int64 = 0
    private(set) var savedVersions: Int64 = 0
    private(set) var savedCheckpoints: Int64 = 0
    private(set) var versionsWithoutOrigin: Int64 = 0
    private(set) var problems: [String] = []

    var flows: Int64 { created + continued + unchanged + conflicts + refused }

    /// Adds a flow of which all versions were taken.
    /// - Returns: A line for the user, if the flow has a problem or a difference.
    mutating func add(_ flow: FlowImporter, difference: FlowImporter.Difference?) -> String? {
        savedVersions += flow.savedVersions
        savedCheckpoints += flow.savedCheckpoints
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

    func record(events: Int64, isDryRun: Bool) -> Record {
        Record([
            ("dry_run", .bool(isDryRun)), ("flows", .integer(flows)), ("created", .integer(created)), ("continued", .integer(continued)),
            ("unchanged", .integer(unchanged)), ("conflicts", .integer(conflicts)), ("refused", .integer(refused)),
            ("different", .integer(different)), ("without_labels", .integer(withoutLabels)), ("renumbered", .integer(renumbered)),
            ("versions_saved", .integer(savedVersions)),
            ("versions_without_origin", .integer(versionsWithoutOrigin)), ("checkpoints_created", .integer(savedCheckpoints)),
            ("events_not_imported", .integer(events)), ("problems", .strings(problems)),
        ])
    }
}
