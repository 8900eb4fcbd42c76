import ArgumentParser
import FlowStateClient

/// `flowstate flow list`
struct FlowListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List flows, those that changed last first.",
        discussion: """
            Every filter that is given must match. JSON output is one document: {"flows": […], "next_page_token": "…"}; \
            the token is empty when the list is complete.

              flowstate flow list --type order --status failed --label customer=acme
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

    @Option(name: .customLong("type"), help: ArgumentHelp("Only flows of this type.", valueName: "flow-type"))
    var flowType = ""

    @Option(help: "Only flows in this phase.")
    var phase = ""

    @Option(help: "Only flows with this status.")
    var status = ""

    @Option(
        name: .customLong("label"),
        help: ArgumentHelp("Only flows with this label; repeat it for more.", valueName: "key=value"))
    var labels: [LabelArgument] = []

    @Option(help: ArgumentHelp("Only flows whose id begins with this.", valueName: "text"))
    var prefix = ""

    @Option(help: ArgumentHelp("Created at this time or later (RFC 3339).", valueName: "time"))
    var createdAfter: PointInTime?

    @Option(help: ArgumentHelp("Created before this time.", valueName: "time"))
    var createdBefore: PointInTime?

    @Option(help: ArgumentHelp("Last changed at this time or later.", valueName: "time"))
    var updatedAfter: PointInTime?

    @Option(help: ArgumentHelp("Last changed before this time.", valueName: "time"))
    var updatedBefore: PointInTime?

    @Flag(help: "Deleted flows too.")
    var includeDeleted = false

    @Option(help: "The order of the list.")
    var order: Order = .updated

    @OptionGroup(title: "Paging") var paging: PagingOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws { try LabelArgument.check(labels) }

    func call(_ client: StateClient, _ console: Console) async throws {
        let filter = FlowFilter(
            flowType: flowType, phase: phase, status: status, labels: LabelArgument.map(labels),
            createdAfter: createdAfter?.timestamp, createdBefore: createdBefore?.timestamp,
            updatedAfter: updatedAfter?.timestamp, updatedBefore: updatedBefore?.timestamp, flowIDPrefix: prefix,
            includeDeleted: includeDeleted)
        var writer = ListWriter(
            console, name: "flows",
            columns: [
                .left("flow_id"), .left("flow_type"), .right("version"), .left("phase"), .left("status"),
                .right("progress"), .left("updated_at"), .left("labels"),
            ] + (includeDeleted ? [.left("deleted")] : []))
        let next = try await paging.pages { size, token in
            let page = try await client.listFlows(
                ListFlowsRequest(filter: filter, order: order.wire, pageSize: size, pageToken: token))
            return (page.flows, page.nextPageToken)
        } show: {
            try writer.append($0.map(Record.init))
        }
        try writer.finish(nextPageToken: next)
    }
}
