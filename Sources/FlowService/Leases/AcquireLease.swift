import FlowAccess
import FlowModel
import WireMessages

enum AcquireLease: UnaryFlowMethod {
    static let method = MethodDescriptor.acquireLease
    static let scope = Scope.write

    static func command(_ request: AcquireLeaseRequest, _ context: CallContext) throws(StateError) -> AcquireLeaseCommand {
        AcquireLeaseCommand(
            key: try context.key(request.flowID), actor: context.identity.actor, holder: request.holder,
            ttlMilliseconds: try Int64(milliseconds: request.ttl, field: "ttl"),
            waitMilliseconds: try Int64(milliseconds: request.wait, field: "wait") ?? 0)
    }

    static func response(_ lease: FlowLease, flowID: String) -> AcquireLeaseResponse {
        AcquireLeaseResponse(lease: lease.message)
    }

    static func flowID(_ request: AcquireLeaseRequest) -> String { request.flowID }
}
