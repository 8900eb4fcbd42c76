/// The caller on whose behalf a call runs. It comes from the credentials, never from the request.
package struct Identity: Sendable, Equatable {
    /// Isolates data: a caller sees the flows of its tenant only.
    package let tenant: String
    /// Is written into the audit trail.
    package let actor: String
    package let scopes: Set<Scope>

    package init(tenant: String, actor: String, scopes: Set<Scope>) {
        self.tenant = tenant
        self.actor = actor
        self.scopes = scopes
    }

    package func allows(_ scope: Scope) -> Bool { scope == .open || scopes.contains(scope) }
}
