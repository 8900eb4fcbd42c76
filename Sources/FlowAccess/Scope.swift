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
}
