import FlowModel
import FlowStore
import WireMessages

enum GetQuarantined: FlowMethod {
    static let name = "GetQuarantined"

    static func command(_ request: GetQuarantinedRequest, _ context: RequestContext) throws(StateError) -> GetQuarantinedCommand {
        GetQuarantinedCommand(tenant: context.caller.tenant, id: request.id)
    }

    static func response(_ outcome: GetQuarantinedCommand.Outcome, flowID: String) -> GetQuarantinedResponse {
        GetQuarantinedResponse(entry: outcome.record.message, state: outcome.state)
    }

    static func size(of outcome: GetQuarantinedCommand.Outcome) -> Int { outcome.state.count }

    static func flowID(_ request: GetQuarantinedRequest) -> String { "" }
}
