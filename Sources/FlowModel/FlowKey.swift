/// The number of a version: 1, 2, 3 … per flow. 0 means "does not exist".
public typealias FlowVersion = Int64

/// Names one flow: everything is kept under (tenant, flow id).
///
/// Equality and hash go by bytes, as PostgreSQL compares them: Swift's own `String` equality would take "é" composed and decomposed for
/// the same flow.
public struct FlowKey: Sendable, Hashable {
    public let tenant: String
    public let flowID: String

    /// - Throws: `StateError.invalidArgument` naming `tenant` or `flow_id`.
    public init(tenant: String, flowID: String, limits: Limits = Limits()) throws(StateError) {
        try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes)
        try NameRule.check(flowID, field: "flow_id", maximumBytes: limits.idBytes)
        self.tenant = tenant
        self.flowID = flowID
    }

    /// For a key that was checked when it was stored; limits may have been lowered since.
    public init(stored tenant: String, flowID: String) {
        self.tenant = tenant
        self.flowID = flowID
    }

    public static func == (left: FlowKey, right: FlowKey) -> Bool {
        areSameBytes(left.flowID, right.flowID) && areSameBytes(left.tenant, right.tenant)
    }

    private static func areSameBytes(_ left: String, _ right: String) -> Bool {
        var (left, right) = (left, right)
        return left.withUTF8 { left in right.withUTF8 { right in left.elementsEqual(right) } }
    }

    public func hash(into hasher: inout Hasher) {
        var (tenant, flowID) = (tenant, flowID)
        tenant.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // No name contains NUL, so ("a", "bc") and ("ab", "c") stay apart.
        hasher.combine(0 as UInt8)
        flowID.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
