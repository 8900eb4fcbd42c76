import ArgumentParser
import FlowStateClient

/// `flowstate flow delete`
struct FlowDeleteCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a flow, or all flows with some labels, without asking first.",
        discussion: """
            The flow's versions stay as its history until retention removes them; its id cannot be saved to again, but by \
            a save with --revive. With --label every flow that has all of the labels is deleted, in one commit.

              flowstate flow delete order-17 --expected-version 4
              flowstate flow delete --label customer=acme --label kind=test --at-most 100
            """)

    @Argument(help: "The flow's id.")
    var id: String?

    @Option(
        parsing: .unconditionalSingleValue, help: ArgumentHelp("Flows with this label; may be given several times.", valueName: "key=value")
    )
    var label: [LabelArgument] = []

    @Option(
        parsing: .unconditional, help: ArgumentHelp("With --label: delete none if more flows have them. (default: 1000)", valueName: "n"))
    var atMost: Int32 = 0

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        try LabelArgument.check(label)
        guard (id == nil) != label.isEmpty else { throw ValidationError("Give the id of a flow, or --label.") }
        if id == nil, precondition.expectedVersion != nil || precondition.anyVersion || !idempotencyKey.isEmpty {
            throw ValidationError("Preconditions and keys are for one flow.")
        }
        if id != nil, atMost != 0 { throw ValidationError("--at-most needs --label.") }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        guard let id else {
            let request = DeleteFlowsRequest(labels: LabelArgument.map(label), atMost: atMost)
            return try console.show(Record(try await client.deleteFlows(request)))
        }
        var request = DeleteFlowRequest(flowID: id, idempotencyKey: idempotencyKey)
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        if precondition.anyVersion { request.precondition = .anyVersion(true) }
        try console.show(Record(try await client.deleteFlow(request)))
    }
}
