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
    package init() {}

    package func authenticate(_ credentials: Credentials) -> Authentication {
        do throws(StateError) {
            return .identified(
                Identity(
                    tenant: try Self.value(credentials.tenant, "flowstate-tenant") ?? "default",
                    actor: try Self.value(credentials.actor.flatMap { $0.isEmpty ? nil : $0 }, "flowstate-actor") ?? "anonymous",
                    scopes: .all))
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

/// The caller on whose behalf a call runs. It comes from the credentials, never from the request.
package struct Identity: Sendable, Equatable {
    /// Isolates data: a caller sees the flows of its tenant only.
    package let tenant: String
    /// Is written into the audit trail.
    package let actor: String
    package let scopes: Scopes

    package init(tenant: String, actor: String, scopes: Scopes) {
        self.tenant = tenant
        self.actor = actor
        self.scopes = scopes
    }

    package func allows(_ scope: Scope) -> Bool { scopes.isSuperset(of: scope.needed) }
}

/// What a method needs of its caller.
package enum Scope: String, Sendable, CaseIterable {
    /// Anyone may call it, without an identity: health, reflection.
    case open
    /// Reads the tenant's data.
    case read
    /// Changes the tenant's flows.
    case write
    /// Operates the tenant: definitions, clean-up, statistics.
    case admin

    var needed: Scopes {
        switch self {
        case .open: []
        case .read: .read
        case .write: .write
        case .admin: .admin
        }
    }
}

/// The scopes that a caller has.
package struct Scopes: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let read = Scopes(rawValue: 1)
    package static let write = Scopes(rawValue: 2)
    package static let admin = Scopes(rawValue: 4)
    package static let all: Scopes = [.read, .write, .admin]
}
