import FlowAccess
import FlowModel
import WireMessages

enum ListFlows: UnaryFlowMethod {
    static let method = MethodDescriptor.listFlows
    static let scope = Scope.read

    static func command(_ request: ListFlowsRequest, _ context: CallContext) throws(StateError) -> ListFlowsCommand {
        var list = ListFlowsCommand(
            tenant: context.identity.tenant, filter: try filter(request.filter ?? WireMessages.FlowFilter()),
            order: try order(request.order), pageSize: Int(request.pageSize),
            pageToken: request.pageToken.given.map { PageToken(text: $0) })
        list.includesStates = request.includeStates
        return list
    }

    static func filter(_ given: WireMessages.FlowFilter) throws(StateError) -> FlowModel.FlowFilter {
        var filter = FlowModel.FlowFilter()
        filter.flowType = given.flowType.given
        filter.phase = given.phase.given
        filter.status = given.status.given
        filter.labels = Labels(given.labels)
        filter.created = try TimeRange(after: given.createdAfter, before: given.createdBefore, field: "filter.created")
        filter.updated = try TimeRange(after: given.updatedAfter, before: given.updatedBefore, field: "filter.updated")
        filter.flowIDPrefix = given.flowIDPrefix
        filter.includeDeleted = given.includeDeleted
        filter.isOverdue = given.overdue
        return filter
    }

    private static func order(_ given: WireMessages.FlowOrder) throws(StateError) -> FlowModel.FlowOrder {
        if given == .unspecified { return .updatedDescending }
        guard let order = FlowModel.FlowOrder(rawValue: Int64(given.rawValue)) else {
            throw .invalidArgument(field: "order", message: "\(given.rawValue) is not a FlowOrder that this server knows")
        }
        return order
    }

    static func response(_ page: Page<ListedFlow>, flowID: String) -> ListFlowsResponse {
        let hasContents = page.elements.contains { $0.snapshot != nil }
        return ListFlowsResponse(
            flows: page.elements.map(\.head.message), nextPageToken: page.next?.text ?? "",
            contents: hasContents
                ? page.elements.map { FlowContent(state: $0.snapshot?.state ?? [], contentType: $0.snapshot?.version.contentType ?? "") }
                : [])
    }

    static func flowID(_ request: ListFlowsRequest) -> String { "" }
}
