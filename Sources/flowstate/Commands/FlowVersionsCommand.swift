import ArgumentParser
import FlowStateClient

/// `flowstate flow versions`
struct FlowVersionsCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "versions",
        abstract: "List a flow's versions: who saved what, when and why.",
        discussion: """
            Newest first. The history of a deleted flow can be read too.

              flowstate flow versions order-17
              flowstate flow versions order-17 --oldest-first --all --output json
            """)

    @Argument(help: "The flow's id.")
    var id: String

    @Flag(help: "Lowest version first.")
    var oldestFirst = false

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var writer = ListWriter(
            console, name: "versions",
            columns: [
                .right("version"), .left("event"), .left("created_at"), .left("actor"), .right("size_bytes"),
                .left("phase"), .left("status"), .left("version_label"), .left("checkpoints"),
            ])
        let next = try await paging.pages { size, token in
            let page = try await client.listVersions(
                ListVersionsRequest(
                    flowID: id, order: oldestFirst ? .oldestFirst : .newestFirst, pageSize: size, pageToken: token))
            return (page.versions, page.nextPageToken)
        } show: {
            try writer.append($0.map { Record($0) })
        }
        try writer.finish(nextPageToken: next)
    }
}
