import ArgumentParser
import FlowStateClient

/// `flowstate checkpoint list`
struct CheckpointListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a flow's checkpoints, newest first.",
        discussion: """
              flowstate checkpoint list order-17
            """)

    @Argument(help: "The flow's id.")
    var flow: String

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var writer = ListWriter(
            console, name: "checkpoints",
            columns: [
                .left("name"), .right("version"), .left("created_at"), .left("actor"), .left("id"), .left("description"),
            ])
        let next = try await paging.pages { size, token in
            let page = try await client.listCheckpoints(
                ListCheckpointsRequest(flowID: flow, pageSize: size, pageToken: token))
            return (page.checkpoints, page.nextPageToken)
        } show: {
            try writer.append($0.map { Record($0) })
        }
        try writer.finish(nextPageToken: next)
    }
}
