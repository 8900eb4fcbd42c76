import FlowModel
import GRPC

/// On whose behalf a request runs. Never taken from the request's body.
struct Caller: Sendable {
    /// Isolates data: a caller sees the flows of its tenant only.
    let tenant: String
    /// Goes into the audit trail.
    let actor: String

    /// Without authentication configured: from metadata, `default` and `anonymous` where it says nothing.
    /// - Throws: `StateError.invalidArgument` for values that are not ASCII: metadata is (PROTOCOL-HTTP2.md,
    ///   ASCII-Value), and bytes that mean nothing must not make two tenants one.
    init(_ metadata: Metadata) throws(StateError) {
        tenant = try Self.value("flowstate-tenant", metadata) ?? "default"
        actor = try Self.value("flowstate-actor", metadata) ?? "anonymous"
    }

    private static func value(_ key: String, _ metadata: Metadata) throws(StateError) -> String? {
        guard let value = metadata[key] else { return nil }
        guard value.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw .invalidArgument(field: key, message: "metadata must be ASCII")
        }
        return value
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
