/// The number of a version: 1, 2, 3 … per flow. 0 means "does not exist".
package typealias FlowVersion = Int64

/// Identifies one flow: everything is stored under (tenant, flow id).
///
/// Equality and hash use bytes, as PostgreSQL does: Swift's own `String` equality would take "é" composed and decomposed for the same flow.
package struct FlowKey: Sendable, Hashable {
    package let tenant: String
    package let flowID: String

    /// - Throws: `StateError.invalidArgument` naming `tenant` or `flow_id`.
    package init(tenant: String, flowID: String, limits: Limits) throws(StateError) {
        try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes)
        try NameRule.check(flowID, field: "flow_id", maximumBytes: limits.idBytes)
        self.tenant = tenant
        self.flowID = flowID
    }

    /// For a key that was checked when it was stored; limits may have been lowered since.
    package init(stored tenant: String, flowID: String) {
        self.tenant = tenant
        self.flowID = flowID
    }

    package static func == (left: FlowKey, right: FlowKey) -> Bool {
        left.flowID.hasSameBytes(as: right.flowID) && left.tenant.hasSameBytes(as: right.tenant)
    }

    package func hash(into hasher: inout Hasher) {
        tenant.hashBytes(into: &hasher)
        // No name contains NUL, so ("a", "bc") and ("ab", "c") stay apart.
        hasher.combine(0 as UInt8)
        flowID.hashBytes(into: &hasher)
    }
}
