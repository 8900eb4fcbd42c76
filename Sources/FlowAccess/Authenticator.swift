import FlowModel

/// What a caller presents with a call.
package struct Credentials: Sendable {
    /// The metadata `flowstate-tenant` and `flowstate-actor`; nil: absent.
    package var tenant: String?
    package var actor: String?
    /// The metadata `authorization`.
    package var authorization: String?
    /// The name of one of these fields that came more than once, with other values; nil: none.
    package var ambiguous: String?
    /// The address of the other end of the connection.
    package var peer: String

    package init(tenant: String? = nil, actor: String? = nil, authorization: String? = nil, peer: String = "") {
        self.tenant = tenant
        self.actor = actor
        self.authorization = authorization
        self.peer = peer
    }
}

/// An authenticator's answer.
package enum Authentication: Sendable {
    case identified(Identity)
    case refused(StateError)
    /// Needs a look-up, which the closure makes. It is cancelled with the call, and throws a `StateError`; any other error is an internal
    /// fault.
    case pending(@Sendable () async throws -> Identity)
}

/// Identifies callers.
package protocol Authenticator: Sendable {
    /// Called on the event loop of each call, before the request is decoded: it must not block, and takes microseconds at most.
    func authenticate(_ credentials: Credentials) -> Authentication
}

/// For servers without authentication, where callers say who they are: tenant and actor come from metadata, or are `default` and
/// `anonymous`, and every caller has every scope.
package struct MetadataAuthenticator: Authenticator {
    private static let scopes = Set(Scope.allCases)

    package init() {}

    package func authenticate(_ credentials: Credentials) -> Authentication {
        do throws(StateError) {
            return .identified(
                Identity(
                    tenant: try Self.value(credentials.tenant, "flowstate-tenant") ?? "default",
                    actor: try Self.value(credentials.actor.flatMap { $0.isEmpty ? nil : $0 }, "flowstate-actor") ?? "anonymous",
                    scopes: Self.scopes))
        } catch {
            return .refused(error)
        }
    }

    /// - Throws: `StateError.invalidArgument` for values that are not ASCII, which metadata must be (PROTOCOL-HTTP2.md, ASCII-Value): bytes
    ///   without a meaning must not make two tenants one.
    private static func value(_ value: String?, _ key: String) throws(StateError) -> String? {
        guard let value else { return nil }
        guard value.utf8.allSatisfy({ $0 < 0x80 }) else { throw .invalidArgument(field: key, message: "metadata must be ASCII") }
        return value
    }
}
