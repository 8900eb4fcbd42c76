import JSON

/// A recovery as the metadata of the version that it wrote.
package enum RecoveryText {
    package static func text(_ record: RecoveryRecord, reason: String) -> String {
        var object = JSONObjectText()
        object.add("recovery_id", record.id)
        object.add("strategy", record.strategy?.rawValue ?? "")
        object.add("broken_version", json: "\(record.brokenVersion)")
        object.add("quarantine_id", record.quarantineID)
        if !reason.isEmpty { object.add("reason", reason) }
        return object.text
    }

    /// - Parameter version: of the kind `recovered`.
    package static func record(_ version: VersionRecord) -> RecoveryRecord {
        let root = (try? JSONDocument(version.metadata, maximumDepth: 8))?.root
        return RecoveryRecord(
            id: root?["recovery_id"]?.string ?? "", isPlanned: false,
            strategy: root?["strategy"]?.string.flatMap(RecoveryStrategy.init(rawValue:)),
            brokenVersion: root?["broken_version"]?.double.flatMap { FlowVersion(exactly: $0) } ?? 0, recoveredVersion: version.version,
            steps: [], violations: [],
            quarantineID: root?["quarantine_id"]?.string ?? "", time: version.createdAt, actor: version.actor)
    }
}
