import ArgumentParser
import FlowStateClient

/// `flowstate checkpoint restore`
struct CheckpointRestoreCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a checkpoint's state the latest again.",
        discussion: """
            Saves the state as a new version; nothing is lost and no number is used twice.

              flowstate checkpoint restore order-17 before-payment --expected-version 7
            """)

    @Argument(help: "The flow's id.")
    var flow: String

    @Argument(help: "The checkpoint's name or id.")
    var checkpoint: String

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = RestoreCheckpointRequest(
            flowID: flow, checkpoint: checkpoint, idempotencyKey: idempotencyKey)
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        if precondition.anyVersion { request.precondition = .anyVersion(true) }
        try console.show(Record(try await client.restoreCheckpoint(request)))
    }
}
