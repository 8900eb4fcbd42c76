import ArgumentParser
import FlowStateClient

/// `flowstate flow patch`
struct FlowPatchCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "patch",
        abstract: "Save a change of a flow's state instead of the whole state.",
        discussion: """
            A JSON Patch (RFC 6902) is an array of operations; a JSON Merge Patch (RFC 7396) is an object that is laid over \
            the state, in which null removes. An array is taken for the first and everything else for the second, unless \
            --merge or --json says which. Without --expected-version the patch is applied to whatever is the latest.

              flowstate flow patch order-17 --text '{"step": 4, "draft": null}'
              flowstate flow patch order-17 changes.json --expected-version 3
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Argument(help: "The file with the patch; - is standard input.")
    var file: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("The patch itself.", valueName: "json"))
    var text: String?

    @Flag(help: "It is a JSON Merge Patch.")
    var merge = false

    @Flag(help: "It is a JSON Patch.")
    var json = false

    @OptionGroup(title: "Precondition") var precondition: PreconditionOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Makes a retry safe: the same key never applies twice.", valueName: "key"))
    var idempotencyKey = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        if (file == nil) == (text == nil) { throw ValidationError("Give the patch once: as a file, or with --text.") }
        if merge, json { throw ValidationError("Give --merge or --json, not both.") }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        let patch = try file.map { try StateInput.read($0) } ?? Array((text ?? "").utf8)
        let isArray = patch.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: "[")
        var request = SaveStateRequest(flowID: id)
        request.change = json || isArray && !merge ? .jsonPatch(patch) : .mergePatch(patch)
        if let version = precondition.expectedVersion { request.precondition = .expectedVersion(version) }
        request.idempotencyKey = idempotencyKey
        try console.show(Record(try await client.saveState(request)))
    }
}
