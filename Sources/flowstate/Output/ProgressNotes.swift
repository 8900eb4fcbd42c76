import FlowArchive

/// Reports on standard error how far a long operation is, every few seconds. A short one reports nothing.
struct ProgressNotes {
    private static let interval = Duration.seconds(5)

    private let console: Console
    private var last = ContinuousClock.now

    init(_ console: Console) { self.console = console }

    mutating func tell(_ totals: ArchiveTotals) {
        guard ContinuousClock.now - last >= Self.interval else { return }
        console.note("\(totals.flows) flows, \(totals.versions) versions, \(totals.stateBytes) bytes so far")
        last = ContinuousClock.now
    }
}
