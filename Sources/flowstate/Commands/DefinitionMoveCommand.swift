import ArgumentParser
import FlowStateClient

/// `flowstate definition move`
struct DefinitionMoveCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Let a flow follow another revision of its definition.",
        discussion: """
            A flow follows the revision that was the latest when it was made. This makes one more version of it, with the \
            state as it was. Refused (exit code 4) when the revision is enforced and the state breaks its rules.

              flowstate definition move order-17
              flowstate definition move order-17 --revision 2
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Option(parsing: .unconditional, help: ArgumentHelp("To this revision. (default: the latest)", valueName: "n"))
    var revision: Int64?

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = MoveFlowRequest(flowID: id, revision: revision ?? 0, idempotencyKey: idempotencyKey)
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        try console.show(Record(try await client.moveFlow(request)))
    }
}
