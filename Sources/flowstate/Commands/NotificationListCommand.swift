import ArgumentParser
import FlowStateClient

/// `flowstate notification list`
struct NotificationListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List notifications that are not acknowledged, newest first.",
        discussion: """
              flowstate notification list --level error
              flowstate notification list --flow order-17 --acknowledged
            """)

    enum Level: String, ExpressibleByArgument, CaseIterable {
        case info, warning, error

        var wire: NotificationLevel {
            switch self {
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        }
    }

    @Option(parsing: .unconditional, help: ArgumentHelp("Only of this flow.", valueName: "id"))
    var flow = ""

    @Option(parsing: .unconditional, help: "Only this level and more urgent ones.")
    var level = Level.info

    @Flag(help: "Also those that are acknowledged.")
    var acknowledged = false

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var writer = ListWriter(
            console, name: "notifications",
            columns: [.left("id"), .left("flow_id"), .left("level"), .left("title"), .left("created_at"), .left("acknowledged_by")])
        let next = try await paging.pages { size, token in
            let page = try await client.listNotifications(
                ListNotificationsRequest(
                    flowID: flow, includeAcknowledged: acknowledged, minimumLevel: level.wire, pageSize: size, pageToken: token))
            return (page.notifications, page.nextPageToken)
        } show: {
            try writer.append($0.map { Record($0) })
        }
        try writer.finish(nextPageToken: next)
    }
}
