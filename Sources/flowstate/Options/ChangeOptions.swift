import ArgumentParser

/// What a new version of a flow carries beside its state.
struct ChangeOptions: ParsableArguments {
    @Option(name: .customLong("type"), parsing: .unconditional, help: ArgumentHelp("The kind of flow.", valueName: "flow-type"))
    var flowType = ""

    @Option(parsing: .unconditional, help: "The phase the flow is in.")
    var phase = ""

    @Option(parsing: .unconditional, help: "Free text such as running or failed.")
    var status = ""

    @Option(
        name: .customLong("label"),
        parsing: .unconditionalSingleValue, help: ArgumentHelp("A label of the flow; repeat it for more.", valueName: "key=value"))
    var labels: [LabelArgument] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("JSON to keep with the version.", valueName: "json"))
    var metadata = ""

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How long after its last save the flow is deleted, such as 30m or 7d; 0s: it stays.", valueName: "time"))
    var ttl: TimeSpan?

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    mutating func validate() throws { try LabelArgument.check(labels) }
}
