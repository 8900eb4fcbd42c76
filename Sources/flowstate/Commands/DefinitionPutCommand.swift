import ArgumentParser
import FlowStateClient

/// `flowstate definition put`
struct DefinitionPutCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Store a definition as a new revision.",
        discussion: """
            The document names its type. It is refused (exit code 4) when it cannot work; as many faults are reported, each with \
            its place, as fit into the answer, and the others counted (`definition check` reports all). Putting the document that \
            is there already makes no new revision.

              flowstate definition put order.json
              flowstate definition put order.json --expected-revision 3
            """)

    @Argument(help: "The file with the document, JSON or YAML (.yaml, .yml); - is standard input, JSON.")
    var file: String

    @Option(parsing: .unconditional, help: ArgumentHelp("Only if this is the latest revision; 0: only if there is none.", valueName: "n"))
    var expectedRevision: Int64?

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        let request = PutDefinitionRequest(
            document: try DefinitionInput.read(file), expectedRevision: expectedRevision)
        try console.show(Record(withoutDocument: try await client.putDefinition(request).definition ?? FlowDefinition()))
    }
}
