import ArgumentParser
import FlowStateClient

/// `flowstate flow list`
struct FlowListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List flows, the last changed first.",
        discussion: """
            Every filter that is given must match. JSON output is one document: {"flows": […], "next_page_token": "…"}; \
            the token is empty when the list is complete.

              flowstate flow list --type order --status failed --label customer=acme
              flowstate flow list --overdue --output table
              flowstate flow list --updated-after 2026-03-01T00:00:00Z --all --output json
            """)

    /// The orders that the contract has.
    enum Order: String, ExpressibleByArgument, CaseIterable {
        case updated
        case oldestUpdated = "oldest-updated"
        case created
        case oldestCreated = "oldest-created"
        case id

        var wire: FlowOrder {
            switch self {
            case .updated: .updatedDesc
            case .oldestUpdated: .updatedAsc
            case .created: .createdDesc
            case .oldestCreated: .createdAsc
            case .id: .flowIDAsc
            }
        }
    }

    @Flag(help: "Deleted flows too.")
    var includeDeleted = false

    @Flag(help: "Only flows that are in their phase or status for longer than its time limit.")
    var overdue = false

    @Option(parsing: .unconditional, help: "The order of the list.")
    var order: Order = .updated

    @OptionGroup(title: "Filters") var filters: FlowFilterOptions
    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    func call(_ client: StateClient, _ console: Console) async throws {
        var filter = filters.filter
        filter.includeDeleted = includeDeleted
        filter.overdue = overdue
        var writer = ListWriter(
            console, name: "flows",
            columns: [
                .left("flow_id"), .left("flow_type"), .right("version"), .left("phase"), .left("status"),
                .right("progress"), .left("updated_at"), .left("labels"),
            ] + (overdue ? [.left("due_at")] : []) + (includeDeleted ? [.left("deleted")] : []))
        let next = try await paging.pages { size, token in
            let page = try await client.listFlows(
                ListFlowsRequest(filter: filter, order: order.wire, pageSize: size, pageToken: token))
            return (page.flows, page.nextPageToken)
        } show: {
            try writer.append($0.map { Record($0) })
        }
        try writer.finish(nextPageToken: next)
    }
}
