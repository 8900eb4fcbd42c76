import ArgumentParser
import FlowStateClient

/// `flowstate quarantine restore`
struct QuarantineRestoreCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Bring a quarantined state back, as the flow's next version.",
        discussion: """
            The rules of the flow's definition hold for it as for any save, unless --allow-invalid is given.

              flowstate quarantine restore 0197e2a0-… --expected-version 7
            """)

    @Argument(help: "The id that the list shows.")
    var id: String

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Flag(help: "Restore it even if it breaks rules.")
    var allowInvalid = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = RestoreQuarantinedRequest(id: id, allowInvalid: allowInvalid, idempotencyKey: idempotencyKey)
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        if precondition.anyVersion { request.precondition = .anyVersion(true) }
        try console.show(Record(try await client.restoreQuarantined(request)))
    }
}
