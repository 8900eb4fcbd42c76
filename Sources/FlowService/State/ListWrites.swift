import FlowAccess
import FlowModel
import WireMessages

enum ListWrites: UnaryFlowMethod {
    static let method = MethodDescriptor.listWrites
    static let scope = Scope.read

    static func command(_ request: ListWritesRequest, _ context: CallContext) throws(StateError) -> ListWritesCommand {
        ListWritesCommand(
            key: try context.key(request.flowID),
            filter: WriteFilter(
                versionLabel: request.versionLabel.given, channel: request.channel.given, taskID: request.taskID.given),
            pageSize: Int(request.pageSize), pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    static func response(_ page: Page<FlowModel.StoredWrite>, flowID: String) -> ListWritesResponse {
        ListWritesResponse(writes: page.elements.map(\.message), nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: ListWritesRequest) -> String { request.flowID }
}
