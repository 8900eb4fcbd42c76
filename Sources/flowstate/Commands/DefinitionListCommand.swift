import ArgumentParser
import FlowStateClient

/// `flowstate definition list`
struct DefinitionListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the latest revision of every definition, built-in ones too.",
        discussion: """
              flowstate definition list --all --output json
            """)

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var writer = ListWriter(
            console, name: "definitions",
            columns: [
                .left("flow_type"), .right("revision"), .left("built_in"), .left("created_at"), .left("actor"), .right("size_bytes"),
            ])
        let next = try await paging.pages { size, token in
            let page = try await client.listDefinitions(ListDefinitionsRequest(pageSize: size, pageToken: token))
            return (page.definitions, page.nextPageToken)
        } show: {
            try writer.append($0.map(Record.init(withoutDocument:)))
        }
        try writer.finish(nextPageToken: next)
    }
}
