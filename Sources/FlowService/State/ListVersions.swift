import FlowAccess
import FlowModel
import WireMessages

enum ListVersions: UnaryFlowMethod {
    static let method = MethodDescriptor.listVersions
    static let scope = Scope.read

    static func command(
        _ request: ListVersionsRequest, _ context: CallContext
    ) throws(StateError) -> ListVersionsCommand {
        ListVersionsCommand(
            key: try context.key(request.flowID), newestFirst: try isNewestFirst(request.order),
            pageSize: Int(request.pageSize), pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    private static func isNewestFirst(_ order: VersionOrder) throws(StateError) -> Bool {
        switch order {
        case .unspecified, .newestFirst: return true
        case .oldestFirst: return false
        case .unrecognized(let value):
            throw .invalidArgument(field: "order", message: "\(value) is not a VersionOrder that this server knows")
        }
    }

    static func response(_ page: Page<VersionRecord>, flowID: String) -> ListVersionsResponse {
        ListVersionsResponse(versions: page.elements.map(\.message), nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: ListVersionsRequest) -> String { request.flowID }
}
