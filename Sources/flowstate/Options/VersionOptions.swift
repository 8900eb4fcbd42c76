import ArgumentParser
import FlowStateClient

/// Which version of a flow; by default the latest.
struct VersionOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp("This version.", valueName: "n"))
    var version: Int64?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The version that this checkpoint points at, by its name or id.", valueName: "checkpoint"))
    var checkpoint: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("The newest version saved with this --version-label.", valueName: "label"))
    var label: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("The version that was the latest at this time (RFC 3339).", valueName: "time"))
    var time: PointInTime?

    mutating func validate() throws {
        if selectors.count > 1 { throw ValidationError("Give one of --version, --checkpoint, --label and --time.") }
    }

    /// nil: the latest.
    var selector: LoadStateRequest.Selector? { selectors.first }

    private var selectors: [LoadStateRequest.Selector] {
        [
            version.map { .version($0) }, checkpoint.map { .checkpoint($0) }, label.map { .versionLabel($0) },
            time.map { .time($0.timestamp) },
        ].compactMap { $0 }
    }
}
