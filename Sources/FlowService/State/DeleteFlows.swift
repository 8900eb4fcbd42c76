import FlowAccess
import FlowModel
import WireMessages

enum DeleteFlows: UnaryFlowMethod {
    static let method = MethodDescriptor.deleteFlows
    static let scope = Scope.write

    static func command(_ request: DeleteFlowsRequest, _ context: CallContext) throws(StateError) -> DeleteFlowsCommand {
        DeleteFlowsCommand(
            tenant: context.identity.tenant, labels: Labels(request.labels), actor: context.identity.actor, atMost: Int(request.atMost))
    }

    static func response(_ ids: [String], flowID: String) -> DeleteFlowsResponse { DeleteFlowsResponse(flowIDs: ids) }

    static func flowID(_ request: DeleteFlowsRequest) -> String { "" }
}
