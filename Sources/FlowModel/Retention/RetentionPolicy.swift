/// What stays of flows of a type; without a policy everything does. The newest version always stays, and so does every version that a kept
/// checkpoint or a kept entry of the quarantine refers to.
public struct RetentionPolicy: Sendable, Equatable {
    /// The newest versions, so many of them.
    public var versions: Int64?
    /// Versions that are not older.
    public var versionHours: Int64?
    /// The newest versions that take no more bytes together, as they are stored.
    public var versionBytes: Int64?
    /// The newest checkpoints.
    public var checkpoints: Int64?
    /// The newest archived states.
    public var archives: Int64?
    /// A flow that has ended is deleted when it was not changed for so long.
    public var endedHours: Int64?

    public init() {}

    public var isEmpty: Bool { self == RetentionPolicy() }
    /// Whether it lets versions go.
    public var limitsVersions: Bool { versions != nil || versionHours != nil || versionBytes != nil }
}

extension RetentionPolicy {
    /// A hundred years; PostgreSQL's times end somewhere.
    private static let mostHours = 876_600

    static func read(_ object: JSONValue, at place: JSONPointer) -> (RetentionPolicy, FaultList) {
        var reader = ObjectReader(object, at: place)
        var policy = RetentionPolicy()
        policy.versions = reader.positive("versions")
        policy.versionHours = reader.positive("version_hours", most: mostHours)
        policy.versionBytes = reader.positive("version_bytes")
        policy.checkpoints = reader.positive("checkpoints")
        policy.archives = reader.positive("archives")
        policy.endedHours = reader.positive("ended_hours", most: mostHours)
        reader.finish()
        return (policy, reader.faults)
    }
}

extension ObjectReader {
    /// From 1 to `most`.
    fileprivate mutating func positive(_ member: String, most: Int = 1_000_000_000_000) -> Int64? {
        guard let count = count(member, isRequired: false) else { return nil }
        guard (1...most).contains(count) else {
            fault(member, "is \(count); use a number from 1 to \(most), or leave it out to keep everything")
            return nil
        }
        return Int64(count)
    }
}

extension FlowDefinition {
    /// Whether flows can end: a phase is terminal, or nothing follows a status.
    public var hasEnd: Bool { phases.contains(where: \.isTerminal) || statuses.contains { $0.next?.isEmpty ?? false } }

    /// Whether a flow that stands there has ended.
    public func isEnd(phase: String, status: String) -> Bool {
        self.phase(phase)?.isTerminal == true || self.status(status)?.next?.isEmpty == true
    }
}
