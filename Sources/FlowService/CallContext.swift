import FlowAccess
import FlowModel
import FlowStore
import GRPC
import Resources

/// What is known of a call before its request is decoded: who calls, from where, until when, and within which limits. Methods turn
/// requests into commands with it.
struct CallContext: Sendable {
    let identity: Identity
    /// The address of the client.
    let peer: String
    /// When the caller stops waiting; nil: a stream without a deadline.
    let deadline: Instant?
    /// The limits of the caller's tenant.
    let limits: Limits
    let metadata: Metadata
    let server: ServerDescription

    /// The caller's trace (W3C Trace Context, `traceparent`), unchecked; nil: none.
    var trace: String? { metadata["traceparent"] }

    /// A new UUIDv7.
    func makeID() -> String { IDGenerator.next() }

    func key(_ flowID: String) throws(StateError) -> FlowKey {
        try FlowKey(tenant: identity.tenant, flowID: flowID, limits: limits)
    }
}

extension Credentials {
    init(_ call: ServerCall) {
        let tenant = call.metadata.single("flowstate-tenant")
        let actor = call.metadata.single("flowstate-actor")
        let authorization = call.metadata.single("authorization")
        self.init(tenant: tenant.value, actor: actor.value, authorization: authorization.value, peer: call.peer)
        if tenant.isAmbiguous { ambiguous = "flowstate-tenant" }
        if actor.isAmbiguous { ambiguous = "flowstate-actor" }
        if authorization.isAmbiguous { ambiguous = "authorization" }
    }
}

// Shared by the methods that take a step of a flow.

extension CallContext {
    func step(
        _ flowID: String, _ precondition: Precondition, _ leaseToken: Int64, _ idempotencyKey: String
    ) throws(StateError) -> LifecycleRequest {
        LifecycleRequest(
            key: try key(flowID), actor: identity.actor, precondition: precondition, leaseToken: leaseToken.given,
            idempotencyKey: idempotencyKey.given)
    }
}

/// What a server says about itself (`GetServerInfo`). A class, since the context of every call holds it.
package final class ServerDescription: Sendable {
    /// The release.
    package let version: String
    package let startedAt: Instant
    /// What is switched on, by name.
    package let features: [String]
    package let limits: Limits

    package init(
        version: String = "", startedAt: Instant = .now, features: [String] = [], limits: Limits = .defaults
    ) {
        self.version = version
        self.startedAt = startedAt
        self.features = features
        self.limits = limits
    }
}
