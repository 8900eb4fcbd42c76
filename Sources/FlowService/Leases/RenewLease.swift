import FlowAccess
import FlowModel
import WireMessages

enum RenewLease: UnaryFlowMethod {
    static let method = MethodDescriptor.renewLease
    static let scope = Scope.write

    static func command(_ request: RenewLeaseRequest, _ context: CallContext) throws(StateError) -> RenewLeaseCommand {
        RenewLeaseCommand(
            key: try context.key(request.flowID), token: request.token,
            ttlMilliseconds: try Int64(milliseconds: request.ttl, field: "ttl"))
    }

    static func response(_ lease: FlowLease, flowID: String) -> RenewLeaseResponse {
        RenewLeaseResponse(lease: lease.message)
    }

    static func flowID(_ request: RenewLeaseRequest) -> String { request.flowID }
}
