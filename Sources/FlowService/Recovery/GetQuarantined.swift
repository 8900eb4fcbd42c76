import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum GetQuarantined: UnaryFlowMethod {
    static let method = MethodDescriptor.getQuarantined
    static let scope = Scope.read

    static func command(_ request: GetQuarantinedRequest, _ context: CallContext) throws(StateError) -> GetQuarantinedCommand {
        GetQuarantinedCommand(tenant: context.identity.tenant, id: request.id)
    }

    static func response(_ outcome: GetQuarantinedCommand.Outcome, flowID: String) -> GetQuarantinedResponse {
        GetQuarantinedResponse(entry: outcome.record.message, state: outcome.state)
    }

    static func size(of outcome: GetQuarantinedCommand.Outcome) -> Int { outcome.state.count }

    static func flowID(_ request: GetQuarantinedRequest) -> String { "" }
}
