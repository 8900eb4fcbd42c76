import ArgumentParser
import FlowStateClient

/// What a save has beside the flow's id and its state.
struct SaveOptions: ParsableArguments {
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

    mutating func validate() throws {
        try LabelArgument.check(versionTag)
        if checkpointDescription != nil, checkpoint == nil {
            throw ValidationError("--checkpoint-description needs --checkpoint.")
        }
    }

    /// The save without its change.
    func request(_ id: String, contentType: String?) -> SaveStateRequest {
        var request = SaveStateRequest(flowID: id, flowType: change.flowType)
        request.contentType = contentType ?? ""
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
        return request
    }
}
