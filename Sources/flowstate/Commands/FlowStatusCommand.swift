import ArgumentParser
import FlowStateClient

/// `flowstate flow status`
struct FlowStatusCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Set a flow's status, progress and labels: pause it, resume it.",
        discussion: """
            Refused (exit code 4) when the definition does not let the status follow the one that the flow has.

              flowstate flow status order-17 paused --label by=support
              flowstate flow status order-17 --progress 50 --remove-label by
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The status. (default: unchanged)")
    var status: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("How far the flow is, 0 to 100.", valueName: "per-cent"))
    var progress: Double?

    @Option(
        name: .customLong("label"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A label to set; repeat it for more.", valueName: "key=value"))
    var labels: [LabelArgument] = []

    @Option(
        name: .customLong("remove-label"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A label to remove; repeat it for more.", valueName: "key"))
    var removedLabels: [String] = []

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws { try LabelArgument.check(labels) }

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = SetStatusRequest(flowID: id, status: status ?? "", idempotencyKey: idempotencyKey)
        request.progress = progress
        request.setLabels = LabelArgument.map(labels)
        request.removeLabels = removedLabels
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        try console.show(Record(try await client.setStatus(request)))
    }
}
