import FlowAccess
import FlowModel
import WireMessages

enum ListVersions: UnaryFlowMethod {
    static let method = MethodDescriptor.listVersions
    static let scope = Scope.read

    static func command(_ request: ListVersionsRequest, _ context: CallContext) throws(StateError) -> ListVersionsCommand {
        var list = ListVersionsCommand(
            tenant: context.identity.tenant, subject: try subject(request, context), order: try order(request.order),
            pageSize: Int(request.pageSize), pageToken: request.pageToken.given.map { PageToken(text: $0) })
        list.filter.labelBefore = request.labelBefore.given
        list.filter.isNewestOfLabel = request.newestOfLabel
        list.filter.isOfPresentLife = request.presentLife
        list.filter.metadata = request.metadataFilter
        list.includesStates = request.includeStates
        list.includesWrites = request.includeWrites
        list.writeChannels = request.writeChannels
        return list
    }

    private static func subject(
        _ request: ListVersionsRequest, _ context: CallContext
    ) throws(StateError) -> ListVersionsCommand.Subject {
        if !request.flowLabels.isEmpty {
            guard request.flowID.isEmpty, request.ancestorsOfLabel.isEmpty else {
                throw .invalidArgument(field: "flow_labels", message: "cannot be combined with flow_id or ancestors_of_label")
            }
            return .flows(Labels(request.flowLabels))
        }
        let flowID = try context.key(request.flowID).flowID
        return request.ancestorsOfLabel.given.map { .ancestors(flowID: flowID, label: $0) } ?? .flow(flowID)
    }

    private static func order(_ order: WireMessages.VersionOrder) throws(StateError) -> FlowModel.VersionOrder {
        switch order {
        case .unspecified, .newestFirst: return .newestFirst
        case .oldestFirst: return .oldestFirst
        case .labelDesc: return .labelDescending
        case .unrecognized(let value):
            throw .invalidArgument(field: "order", message: "\(value) is not a VersionOrder that this server knows")
        }
    }

    static func response(_ page: Page<ListedVersion>, flowID: String) -> ListVersionsResponse {
        let versions = page.elements
        // Without a flow id the versions are of several flows.
        let hasContents = flowID.isEmpty || versions.contains { $0.loaded != nil }
        return ListVersionsResponse(
            versions: versions.map(\.record.message), nextPageToken: page.next?.text ?? "",
            contents: hasContents ? versions.map(content) : [])
    }

    private static func content(_ version: ListedVersion) -> VersionContent {
        var content = VersionContent(flowID: version.flowID)
        if let loaded = version.loaded { add(loaded, to: &content) }
        return content
    }

    private static func add(_ loaded: LoadOutcome, to content: inout VersionContent) {
        switch loaded {
        case .snapshot(let snapshot): content.state = snapshot.state
        case .unchanged: break
        case .withWrites(let outcome, let page):
            add(outcome, to: &content)
            content.writes = page.elements.map(\.message)
            content.nextWritesPageToken = page.next?.text ?? ""
        }
    }

    static func flowID(_ request: ListVersionsRequest) -> String { request.flowID }
}
