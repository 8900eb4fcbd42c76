import ArgumentParser
import FlowStateClient

/// `flowstate checkpoint create`
struct CheckpointCreateCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a checkpoint of a flow's version.",
        discussion: """
            A version with a checkpoint is never pruned. Without a name the checkpoint is known by its id. Fails with \
            exit code 2 when the flow has a checkpoint of that name.

              flowstate checkpoint create order-17 before-payment --description "all items reserved"
              flowstate checkpoint create order-17 --version 2
            """)

    @Argument(help: "The flow's id.")
    var flow: String

    @Argument(help: "The checkpoint's name. (default: none)")
    var name = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("The version to point at. (default: the latest)", valueName: "n"))
    var version: Int64?

    @Option(parsing: .unconditional, help: ArgumentHelp("What the checkpoint is for.", valueName: "text"))
    var description = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let response = try await client.createCheckpoint(
            CreateCheckpointRequest(flowID: flow, name: name, version: version ?? 0, description: description))
        try console.show(Record(response))
    }
}
