import ArgumentParser
import FlowStateClient

/// `flowstate definition get`
struct DefinitionGetCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print a definition's document.",
        discussion: """
            Byte for byte as it was put when the output goes to a file or a pipe; indented on a terminal. --info prints \
            what is known about the revision instead.

              flowstate definition get unified_discovery > discovery.json
              flowstate definition get order --revision 2 --info
            """)

    @Argument(help: "The flow type.")
    var flowType: String

    @Option(parsing: .unconditional, help: ArgumentHelp("This revision. (default: the latest)", valueName: "n"))
    var revision: Int64?

    @Flag(help: "Print type, revision, time and actor, not the document.")
    var info = false

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let response = try await client.getDefinition(GetDefinitionRequest(flowType: flowType, revision: revision ?? 0))
        guard let definition = response.definition else {
            throw LocalFailure("the server's answer has no definition", status: .failure)
        }
        if info {
            try console.show(Record(withoutDocument: definition))
        } else if console.isTerminal {
            try console.write(StateView.text(definition.document, contentType: "application/json"))
        } else {
            try console.write(definition.document)
        }
    }
}
