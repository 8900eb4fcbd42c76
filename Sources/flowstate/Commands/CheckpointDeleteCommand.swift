import ArgumentParser
import FlowStateClient

/// `flowstate checkpoint delete`
struct CheckpointDeleteCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a checkpoint; the version it points at stays.",
        discussion: """
              flowstate checkpoint delete order-17 before-payment
            """)

    @Argument(help: "The flow's id.")
    var flow: String

    @Argument(help: "The checkpoint's name or id.")
    var checkpoint: String

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let response = try await client.deleteCheckpoint(
            DeleteCheckpointRequest(flowID: flow, checkpoint: checkpoint))
        try console.show(Record(response))
    }
}
