import FlowAccess
import FlowModel
import WireMessages

enum GetLease: UnaryFlowMethod {
    static let method = MethodDescriptor.getLease
    static let scope = Scope.read

    static func command(_ request: GetLeaseRequest, _ context: CallContext) throws(StateError) -> GetLeaseCommand {
        GetLeaseCommand(key: try context.key(request.flowID))
    }

    static func response(_ lease: FlowLease?, flowID: String) -> GetLeaseResponse { GetLeaseResponse(lease: lease?.message) }

    static func flowID(_ request: GetLeaseRequest) -> String { request.flowID }
}
