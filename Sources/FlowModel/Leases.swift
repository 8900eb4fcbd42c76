/// The right of one holder to save a flow. Its fencing token is sent with every save; each new lease has a greater one, and a save with a
/// token that is not the current one is refused.
package struct FlowLease: Sendable, Equatable {
    package var flowID: String
    package var holder: String
    /// From 1.
    package var token: Int64
    package var acquiredAt: Timestamp
    /// By PostgreSQL's clock.
    package var expiresAt: Timestamp

    package init(flowID: String, holder: String, token: Int64, acquiredAt: Timestamp, expiresAt: Timestamp) {
        self.flowID = flowID
        self.holder = holder
        self.token = token
        self.acquiredAt = acquiredAt
        self.expiresAt = expiresAt
    }
}

/// Takes the lease of a flow if it is free or has run out; extends it if the holder has it already.
package struct AcquireLeaseCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    package var holder: String
    /// nil: the default.
    package var ttlMilliseconds: Int64?
    /// How long to wait for a lease that another holder has.
    package var waitMilliseconds: Int64

    package init(key: FlowKey, actor: String, holder: String, ttlMilliseconds: Int64? = nil, waitMilliseconds: Int64 = 0) {
        self.key = key
        self.actor = actor
        self.holder = holder
        self.ttlMilliseconds = ttlMilliseconds
        self.waitMilliseconds = waitMilliseconds
    }
}

/// Extends a lease that has not run out.
package struct RenewLeaseCommand: Sendable {
    package var key: FlowKey
    package var token: Int64
    /// nil: the default.
    package var ttlMilliseconds: Int64?

    package init(key: FlowKey, token: Int64, ttlMilliseconds: Int64? = nil) {
        self.key = key
        self.token = token
        self.ttlMilliseconds = ttlMilliseconds
    }
}

/// Gives a lease back. Succeeds again when repeated.
package struct ReleaseLeaseCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    package var token: Int64

    package init(key: FlowKey, actor: String, token: Int64) {
        self.key = key
        self.actor = actor
        self.token = token
    }
}

/// Reads the lease of a flow; nil: it is free.
package struct GetLeaseCommand: Sendable {
    package var key: FlowKey

    package init(key: FlowKey) { self.key = key }
}

extension StateCheck {
    package func check(_ command: AcquireLeaseCommand) throws(StateError) {
        try NameRule.check(command.holder, field: "holder", maximumBytes: limits.idBytes)
        try check(ttl: command.ttlMilliseconds)
        if command.waitMilliseconds < 0 { throw .invalidArgument(field: "wait", message: "must not be negative") }
    }

    package func check(_ command: RenewLeaseCommand) throws(StateError) {
        try check(leaseToken: command.token, isRequired: true)
        try check(ttl: command.ttlMilliseconds)
    }

    package func check(leaseToken token: Int64?, isRequired: Bool = false) throws(StateError) {
        guard let token else { return }
        try WireNumber.check(token, field: isRequired ? "token" : "lease_token", from: 1, hint: "tokens start at 1")
    }

    private func check(ttl: Int64?) throws(StateError) {
        guard let ttl, !(limits.minimumLeaseMilliseconds...limits.maximumLeaseMilliseconds).contains(ttl) else { return }
        let (low, high) = (limits.minimumLeaseMilliseconds, limits.maximumLeaseMilliseconds)
        throw .invalidArgument(field: "ttl", message: "is \(ttl) ms; it must be between \(low) and \(high) ms")
    }
}
