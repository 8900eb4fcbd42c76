import ArgumentParser
import FlowStateClient

/// `flowstate flow fail`
struct FlowFailCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "fail",
        abstract: "Report an error of a flow.",
        discussion: """
            The error is recorded whatever the flow's state is, and the flow gets the definition's error status.

              flowstate flow fail order-17 "card refused" --type PaymentError --details answer.json
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "What happened.")
    var message: String

    @Option(name: .customLong("type"), parsing: .unconditional, help: "The kind of error, such as an exception's class.")
    var errorType = ""

    @Option(parsing: .unconditional, help: "The phase in which it happened. (default: the one that the flow is in)")
    var phase = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("A file with more, JSON; - is standard input.", valueName: "file"))
    var details: String?

    @Flag(help: "The flow itself can try again.")
    var retryable = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = ReportErrorRequest(flowID: id, phase: phase, errorType: errorType, message: message)
        request.details = try details.map { try StateInput.read($0) } ?? []
        request.retryable = retryable
        request.idempotencyKey = idempotencyKey
        try console.show(Record(try await client.reportError(request)))
    }
}
