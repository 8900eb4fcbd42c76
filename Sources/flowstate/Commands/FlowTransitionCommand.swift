import ArgumentParser
import FlowStateClient

/// `flowstate flow transition`
struct FlowTransitionCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "transition",
        abstract: "Move a flow to another phase of its definition.",
        discussion: """
            Refused (exit code 4) while phases that come first are not complete; the answer names them. Makes a checkpoint \
            of the version before.

              flowstate flow transition order-17 paid --data payment.json
              flowstate flow transition order-17 sent --force --reason "shipped by hand"
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The phase.")
    var phase: String

    @Option(parsing: .unconditional, help: "Why, for the audit trail.")
    var reason = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("A file with JSON to keep for the phase; - is standard input.", valueName: "file"))
    var data: String?

    @Flag(help: "Go there whatever the definition says.")
    var force = false

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = TransitionPhaseRequest(flowID: id, phase: phase, reason: reason, idempotencyKey: idempotencyKey)
        request.phaseData = try data.map { try StateInput.read($0) } ?? []
        request.force = force
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        try console.show(Record(try await client.transitionPhase(request)))
    }
}
