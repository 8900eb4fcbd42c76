import FlowModel

// Shared by the methods that take a step of a flow.

extension CallContext {
    func step(_ flowID: String, _ precondition: Precondition, _ idempotencyKey: String) throws(StateError) -> LifecycleRequest {
        LifecycleRequest(
            key: try key(flowID), actor: identity.actor, precondition: precondition, idempotencyKey: idempotencyKey.given)
    }

    func refuseLease(_ token: Int64) throws(StateError) {
        if token != 0 { throw .unsupported(field: "lease_token", message: "this server does not support it yet; leave it out") }
    }
}
