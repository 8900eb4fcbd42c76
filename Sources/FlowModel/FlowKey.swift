/// The number of a version: 1, 2, 3 … per flow. 0 means "does not exist".
package typealias FlowVersion = Int64

/// Identifies one flow: everything is stored under (tenant, flow id).
///
/// Equality and hash use bytes, as PostgreSQL does: Swift's own `String` equality would take "é" composed and decomposed for the same flow.
package struct FlowKey: Sendable, Hashable {
    package let tenant: String
    package let flowID: String
    /// Of the bytes, computed once: a save looks its flow up in several tables. Of this process alone.
    private let bytesHash: Int

    /// - Throws: `StateError.invalidArgument` naming `tenant` or `flow_id`.
    package init(tenant: String, flowID: String, limits: Limits) throws(StateError) {
        try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes)
        try NameRule.check(flowID, field: "flow_id", maximumBytes: limits.idBytes)
        self.init(stored: tenant, flowID: flowID)
    }

    /// For a key that was checked when it was stored; limits may have been lowered since.
    package init(stored tenant: String, flowID: String) {
        self.tenant = tenant
        self.flowID = flowID
        var hasher = Hasher()
        tenant.hashBytes(into: &hasher)
        // No name contains NUL, so ("a", "bc") and ("ab", "c") stay apart.
        hasher.combine(0 as UInt8)
        flowID.hashBytes(into: &hasher)
        bytesHash = hasher.finalize()
    }

    package static func == (left: FlowKey, right: FlowKey) -> Bool {
        left.bytesHash == right.bytesHash && left.flowID.hasSameBytes(as: right.flowID) && left.tenant.hasSameBytes(as: right.tenant)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(bytesHash) }
}

/// The one rule for every name that a client chooses (flow ids, tenants, types, phases, labels, checkpoints, keys, actors):
/// UTF-8 without control characters, bounded in bytes.
///
/// Control characters are C0 (with NUL, which PostgreSQL's `text` cannot hold), DEL and C1: they make two names look alike in logs
/// and terminals.
package enum NameRule {
    /// - Parameter field: the request's field, for the message.
    /// - Throws: `StateError.invalidArgument`.
    package static func check(
        _ name: String, field: String, maximumBytes: Int, mayBeEmpty: Bool = false
    ) throws(StateError) {
        let count = name.utf8.count
        if count == 0 && !mayBeEmpty {
            throw .invalidArgument(field: field, message: "must not be empty")
        }
        if count > maximumBytes {
            throw .invalidArgument(field: field, message: "is \(count) bytes of UTF-8, the limit is \(maximumBytes)")
        }
        if let offset = controlCharacter(in: name) {
            throw .invalidArgument(field: field, message: "contains a control character at byte \(offset)")
        }
    }

    /// Checks bytes from the wire and returns them as a name.
    ///
    /// - Throws: `StateError.invalidArgument`, also for bytes that are not UTF-8.
    package static func name(
        fromUTF8 bytes: some Collection<UInt8>, field: String, maximumBytes: Int, mayBeEmpty: Bool = false
    ) throws(StateError) -> String {
        if bytes.count > maximumBytes {
            throw .invalidArgument(field: field, message: "is \(bytes.count) bytes, the limit is \(maximumBytes)")
        }
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw .invalidArgument(field: field, message: "is not valid UTF-8")
        }
        try check(name, field: field, maximumBytes: maximumBytes, mayBeEmpty: mayBeEmpty)
        return name
    }

    /// The offset of the first control character, in bytes. C1 is U+0080…U+009F: C2 80…C2 9F in UTF-8.
    private static func controlCharacter(in name: String) -> Int? {
        // By index: every call has some names, and iterating took three times as long.
        let bytes = name.utf8.span
        var previous: UInt8 = 0
        for offset in bytes.indices {
            let byte = bytes[offset]
            if byte < 0x20 || byte == 0x7F { return offset }
            if previous == 0xC2 && byte < 0xA0 { return offset - 1 }
            previous = byte
        }
        return nil
    }
}
