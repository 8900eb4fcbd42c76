import ArgumentParser
import FlowStateClient

/// Which flows a command is about; every filter that is given must match.
struct FlowFilterOptions: ParsableArguments {
    @Option(name: .customLong("type"), parsing: .unconditional, help: ArgumentHelp("Only flows of this type.", valueName: "flow-type"))
    var flowType = ""

    @Option(parsing: .unconditional, help: "Only flows in this phase.")
    var phase = ""

    @Option(parsing: .unconditional, help: "Only flows with this status.")
    var status = ""

    @Option(
        name: .customLong("label"),
        parsing: .unconditionalSingleValue, help: ArgumentHelp("Only flows with this label; repeat it for more.", valueName: "key=value"))
    var labels: [LabelArgument] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("Only flows whose id begins with this.", valueName: "text"))
    var prefix = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("Created at this time or later (RFC 3339).", valueName: "time"))
    var createdAfter: PointInTime?

    @Option(parsing: .unconditional, help: ArgumentHelp("Created before this time.", valueName: "time"))
    var createdBefore: PointInTime?

    @Option(parsing: .unconditional, help: ArgumentHelp("Last changed at this time or later.", valueName: "time"))
    var updatedAfter: PointInTime?

    @Option(parsing: .unconditional, help: ArgumentHelp("Last changed before this time.", valueName: "time"))
    var updatedBefore: PointInTime?

    mutating func validate() throws { try LabelArgument.check(labels) }

    var filter: FlowFilter {
        FlowFilter(
            flowType: flowType, phase: phase, status: status, labels: LabelArgument.map(labels),
            createdAfter: createdAfter?.timestamp, createdBefore: createdBefore?.timestamp,
            updatedAfter: updatedAfter?.timestamp, updatedBefore: updatedBefore?.timestamp, flowIDPrefix: prefix)
    }
}
