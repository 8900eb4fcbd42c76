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
    @OptionGroup var options: SaveOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        if source != nil, input.file != nil || input.stateText != nil {
            throw ValidationError("Give the state once: as the second argument, with --file or with --state-text.")
        }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        var request = options.request(id, contentType: input.contentType)
        request.change = .state(try state())
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
