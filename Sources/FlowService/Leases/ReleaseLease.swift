import FlowAccess
import FlowModel
import WireMessages

enum ReleaseLease: UnaryFlowMethod {
    static let method = MethodDescriptor.releaseLease
    static let scope = Scope.write

    static func command(_ request: ReleaseLeaseRequest, _ context: CallContext) throws(StateError) -> ReleaseLeaseCommand {
        ReleaseLeaseCommand(key: try context.key(request.flowID), actor: context.identity.actor, token: request.token)
    }

    static func response(_ nothing: Void, flowID: String) -> ReleaseLeaseResponse { ReleaseLeaseResponse() }

    static func flowID(_ request: ReleaseLeaseRequest) -> String { request.flowID }
}
