import ArgumentParser
import FlowStateClient

/// `flowstate flow delete`
struct FlowDeleteCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a flow, without asking first.",
        discussion: """
            The flow's versions stay as its history until retention removes them; its id cannot be saved to again.

              flowstate flow delete order-17 --expected-version 4
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = DeleteFlowRequest(flowID: id, idempotencyKey: idempotencyKey)
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        if precondition.anyVersion { request.precondition = .anyVersion(true) }
        try console.show(Record(try await client.deleteFlow(request)))
    }
}
