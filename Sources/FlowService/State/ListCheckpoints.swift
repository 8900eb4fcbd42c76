import FlowAccess
import FlowModel
import WireMessages

enum ListCheckpoints: UnaryFlowMethod {
    static let method = MethodDescriptor.listCheckpoints
    static let scope = Scope.read

    static func command(
        _ request: ListCheckpointsRequest, _ context: CallContext
    ) throws(StateError) -> ListCheckpointsCommand {
        ListCheckpointsCommand(
            key: try context.key(request.flowID), pageSize: Int(request.pageSize),
            pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    static func response(_ page: Page<CheckpointRecord>, flowID: String) -> ListCheckpointsResponse {
        ListCheckpointsResponse(
            checkpoints: page.elements.map { $0.message(flowID: flowID) }, nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: ListCheckpointsRequest) -> String { request.flowID }
}
