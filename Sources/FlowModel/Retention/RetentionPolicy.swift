import JSON

/// What is retained of the flows of a type; without a policy, everything. The newest version is always retained, and so is every version to
/// which a retained checkpoint or quarantine entry refers.
package struct RetentionPolicy: Sendable, Equatable {
    /// The number of newest versions.
    package var versions: Int64?
    /// The age up to which versions are retained.
    package var versionHours: Int64?
    /// The newest versions that together take no more bytes as stored.
    package var versionBytes: Int64?
    /// The number of newest checkpoints.
    package var checkpoints: Int64?
    /// The number of newest quarantined states.
    package var quarantined: Int64?
    /// The time without changes after which a flow that has ended is deleted.
    package var endedHours: Int64?

    package init() {}

    package var isEmpty: Bool { self == RetentionPolicy() }
    /// Whether the policy removes versions.
    package var limitsVersions: Bool { versions != nil || versionHours != nil || versionBytes != nil }
}

extension RetentionPolicy {
    /// A hundred years, since PostgreSQL's times are bounded.
    private static let mostHours = 876_600

    static func read(_ object: JSONValue, at place: JSONPointer) -> (RetentionPolicy, FaultList) {
        var reader = ObjectReader(object, at: place)
        var policy = RetentionPolicy()
        policy.versions = reader.positive("versions")
        policy.versionHours = reader.positive("version_hours", most: mostHours)
        policy.versionBytes = reader.positive("version_bytes")
        policy.checkpoints = reader.positive("checkpoints")
        // Definitions of older releases call it `archives`.
        let (quarantined, archives) = (reader.positive("quarantined"), reader.positive("archives"))
        policy.quarantined = quarantined ?? archives
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
