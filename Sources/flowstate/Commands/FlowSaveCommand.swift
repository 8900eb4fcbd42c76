import ArgumentParser
import FlowStateClient
import SystemPackage

/// `flowstate flow save`
struct FlowSaveCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "save",
        abstract: "Save a new version of a flow's state.",
        discussion: """
            The state comes from a file or from standard input and is kept byte for byte. With --expected-version the \
            save is refused (exit code 2) when another client has saved since; 0 means that the flow must not exist yet. \
            Options that are left out leave phase, status, progress and labels as they are; labels that are given \
            replace all of the flow's labels.

              flowstate flow save order-17 --file state.json --expected-version 3
              jq '.step += 1' old.json | flowstate flow save order-17 --checkpoint paid
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The file with the state; - is standard input, which is also the default when it is not a terminal.")
    var source: String?

    @OptionGroup(title: "State") var input: StateInput
    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions
    @OptionGroup(title: "Flow") var change: ChangeOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("How far the flow is, 0 to 100.", valueName: "per-cent"))
    var progress: Double?

    @Option(parsing: .unconditional, help: ArgumentHelp("A label for the new version, to load it by.", valueName: "label"))
    var versionLabel = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("The version this one was made from. (default: the one before)", valueName: "n"))
    var parentVersion: Int64?

    @Option(parsing: .unconditional, help: ArgumentHelp("The same by its label.", valueName: "label"))
    var parentVersionLabel = ""

    @Option(
        parsing: .unconditionalSingleValue, help: ArgumentHelp("A tag of the version; repeat it for more.", valueName: "key=value"))
    var versionTag: [LabelArgument] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("The fencing token of a lease.", valueName: "token"))
    var leaseToken: Int64 = 0

    @Flag(help: "A deleted flow goes on with its next number.")
    var revive = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Also make a checkpoint of the new version.", valueName: "name"))
    var checkpoint: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("What the checkpoint is for.", valueName: "text"))
    var checkpointDescription: String?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        if source != nil, input.file != nil || input.stateText != nil {
            throw ValidationError("Give the state once: as the second argument, with --file or with --state-text.")
        }
        try LabelArgument.check(versionTag)
        if checkpointDescription != nil, checkpoint == nil {
            throw ValidationError("--checkpoint-description needs --checkpoint.")
        }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = SaveStateRequest(flowID: id, flowType: change.flowType, change: .state(try state()))
        request.contentType = input.contentType ?? ""
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        if precondition.anyVersion { request.precondition = .anyVersion(true) }
        request.phase = change.phase
        request.status = change.status
        request.progress = progress
        request.labels = LabelArgument.map(change.labels)
        request.versionLabel = versionLabel
        request.parentVersion = parentVersion ?? 0
        request.parentVersionLabel = parentVersionLabel
        request.versionTags = LabelArgument.map(versionTag)
        request.leaseToken = leaseToken
        request.ttl = change.ttl?.duration
        request.revive = revive
        request.metadata = Array(change.metadata.utf8)
        request.checkpoint = checkpoint.map { CheckpointSpec(name: $0, description: checkpointDescription ?? "") }
        request.idempotencyKey = change.idempotencyKey
        try console.show(Record(try await client.saveState(request)))
    }

    private func state() throws -> [UInt8] {
        if let source { return try StateInput.read(source) }
        if let state = try input.read() { return state }
        guard !FileDescriptor.standardInput.isTerminal else {
            throw ValidationError("Give the state with --file or --state-text, or on standard input.")
        }
        return try StateInput.read("-")
    }
}
