import ArgumentParser
import FlowStateClient

/// `flowstate flow fork`
struct FlowForkCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "fork",
        abstract: "Make a new flow from a version of another one.",
        discussion: """
            From the latest version, or from the one that an option names. The other flow stays as it is. With --history \
            the versions before it, their checkpoints and their pending writes come along.

              flowstate flow fork order-17 order-17-retry --checkpoint paid
              flowstate flow fork order-17 --history --label why=audit
            """)

    @Argument(help: "The flow to fork.")
    var id: String

    @Argument(help: "The new flow's id. (default: a generated one)")
    var newID: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("From this version.", valueName: "n"))
    var version: Int64?

    @Option(parsing: .unconditional, help: ArgumentHelp("From the version of this checkpoint.", valueName: "name"))
    var checkpoint: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("From the newest version with this label.", valueName: "label"))
    var versionLabel: String?

    @Flag(help: "Copy the versions before it too.")
    var history = false

    @Option(
        parsing: .unconditionalSingleValue, help: ArgumentHelp("Replaces the labels; may be given several times.", valueName: "key=value"))
    var label: [LabelArgument] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("JSON to keep with the new flow's latest version.", valueName: "json"))
    var metadata = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        try LabelArgument.check(label)
        if [version != nil, checkpoint != nil, versionLabel != nil].filter({ $0 }).count > 1 {
            throw ValidationError("Give one of --version, --checkpoint and --version-label.")
        }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = ForkFlowRequest(flowID: id)
        request.source =
            version.map { .version($0) } ?? checkpoint.map { .checkpoint($0) } ?? versionLabel.map { .versionLabel($0) }
        request.newFlowID = newID ?? ""
        request.withHistory = history
        request.labels = LabelArgument.map(label)
        request.metadata = Array(metadata.utf8)
        request.idempotencyKey = idempotencyKey
        try console.show(Record(try await client.forkFlow(request)))
    }
}
