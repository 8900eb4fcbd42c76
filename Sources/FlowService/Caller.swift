import FlowModel
import GRPC

/// On whose behalf a request runs. Never taken from the request's body.
struct Caller: Sendable {
    /// Isolates data: a caller sees the flows of its tenant only.
    let tenant: String
    /// Goes into the audit trail.
    let actor: String

    /// Without authentication configured: from metadata, `default` and `anonymous` where it says nothing.
    init(_ metadata: Metadata) {
        tenant = metadata["flowstate-tenant"] ?? "default"
        actor = metadata["flowstate-actor"] ?? "anonymous"
    }
}

/// What a method may use to turn a request into a command. Pure but for `makeID`.
struct RequestContext: Sendable {
    let caller: Caller
    let limits: Limits
    /// A new UUIDv7.
    let makeID: @Sendable () -> String

    func key(_ flowID: String) throws(StateError) -> FlowKey {
        try FlowKey(tenant: caller.tenant, flowID: flowID, limits: limits)
    }
}
