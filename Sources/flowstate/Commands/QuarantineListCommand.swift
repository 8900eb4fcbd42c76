import ArgumentParser
import FlowStateClient

/// `flowstate quarantine list`
struct QuarantineListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List quarantined states, newest first.",
        discussion: """
              flowstate quarantine list --flow order-17
            """)

    @Option(parsing: .unconditional, help: ArgumentHelp("Only of this flow.", valueName: "id"))
    var flow = ""

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var writer = ListWriter(
            console, name: "entries",
            columns: [
                .left("id"), .left("flow_id"), .right("version"), .left("reason"), .right("size_bytes"), .left("created_at"),
                .left("violations"),
            ])
        let next = try await paging.pages { size, token in
            let page = try await client.listQuarantine(ListQuarantineRequest(flowID: flow, pageSize: size, pageToken: token))
            return (page.entries, page.nextPageToken)
        } show: {
            try writer.append($0.map { Record($0) })
        }
        try writer.finish(nextPageToken: next)
    }
}
