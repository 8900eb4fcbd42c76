import ArgumentParser
import FlowStateClient

/// `flowstate flow complete`
struct FlowCompleteCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "complete",
        abstract: "Mark a phase of a flow complete.",
        discussion: """
            Keeps the results in the state where the definition says, and makes a checkpoint of the version that has them.

              flowstate flow complete order-17 --results results.json
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The phase. (default: the one that the flow is in)")
    var phase: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("A file with the results, JSON; - is standard input.", valueName: "file"))
    var results: String?

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = CompletePhaseRequest(flowID: id, phase: phase ?? "", idempotencyKey: idempotencyKey)
        request.results = try results.map { try StateInput.read($0) } ?? []
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        try console.show(Record(try await client.completePhase(request)))
    }
}
