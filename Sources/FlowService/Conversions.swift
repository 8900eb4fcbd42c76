import FlowModel
import Protobuf
import WireMessages

// Values of the model as messages, and back. Empty strings of a request mean "not given".

extension FlowModel.Timestamp {
    /// The last microsecond that is not after the time.
    init(_ message: WireMessages.Timestamp, field: String) throws(StateError) {
        guard (0...999_999_999).contains(message.nanos),
            (-62_135_596_800...253_402_300_799).contains(message.seconds)
        else {
            throw .invalidArgument(field: field, message: "must be a time between the years 1 and 9999")
        }
        self.init(microseconds: message.seconds * 1_000_000 + Int64(message.nanos) / 1_000)
    }

    /// The first microsecond that is not before the time, at most the last one of the year 9999, which is the time of no flow.
    init(notBefore message: WireMessages.Timestamp, field: String) throws(StateError) {
        try self.init(message, field: field)
        if message.nanos % 1_000 != 0, self < .latest { microseconds += 1 }
    }

    var message: WireMessages.Timestamp {
        let (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let borrow: Int64 = rest < 0 ? 1 : 0
        return WireMessages.Timestamp(seconds: seconds - borrow, nanos: Int32((rest + borrow * 1_000_000) * 1_000))
    }
}

extension TimeRange {
    /// Has exactly the whole microseconds that lie between the times, even if those are finer.
    init(
        after: WireMessages.Timestamp?, before: WireMessages.Timestamp?, field: String
    ) throws(StateError) {
        self.init()
        if let after { start = try Timestamp(notBefore: after, field: field + "_after") }
        if let before { end = try Timestamp(notBefore: before, field: field + "_before") }
    }
}

extension Labels {
    init(_ labels: StringMap) {
        self.init(labels.map { Entry(name: $0.key, value: $0.value) })
    }

    var message: StringMap {
        isEmpty ? .empty : StringMap(entries.map { StringMap.Element(key: $0.name, value: $0.value) })
    }
}

extension String {
    /// Protobuf's empty string is an absent value.
    var given: String? { isEmpty ? nil : self }
}

extension Int64 {
    /// 0 is an absent value where numbers start at 1.
    var given: Int64? { self == 0 ? nil : self }

    /// Rounded up, so that a short time is not taken for none; nil for no duration.
    init?(milliseconds duration: Duration?, field: String) throws(StateError) {
        guard let (seconds, attoseconds) = duration?.components else { return nil }
        if seconds < 0 || attoseconds < 0 { throw .invalidArgument(field: field, message: "must not be negative") }
        let (whole, rest) = attoseconds.quotientAndRemainder(dividingBy: 1_000_000_000_000_000)
        let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        self = overflow ? .max : milliseconds.addingReportingOverflow(whole + rest.signum()).partialValue
    }
}

extension FlowHead {
    var message: Flow {
        Flow(
            flowID: key.flowID, flowType: flowType, version: version, phase: phase, status: status,
            progress: progress, labels: labels.message, createdAt: createdAt.message, updatedAt: updatedAt.message,
            expiresAt: expiresAt?.message, deleted: isDeleted, definitionRevision: definitionRevision ?? 0,
            dueAt: dueAt?.message)
    }
}

extension VersionRecord {
    var message: VersionInfo {
        VersionInfo(
            version: version, parentVersion: parentVersion ?? 0, event: VersionEvent(rawValue: Int32(kind.rawValue)),
            actor: actor, contentType: contentType, sizeBytes: size, digest: digest, phase: phase, status: status,
            versionLabel: versionLabel ?? "", metadata: metadata, createdAt: createdAt.message,
            checkpoints: checkpoints, progress: progress, parentVersionLabel: parentLabel ?? "", versionTags: tags.message)
    }
}

extension CheckpointRecord {
    func message(flowID: String) -> Checkpoint {
        Checkpoint(
            id: id, name: name ?? "", version: version, description: description, createdAt: createdAt.message,
            actor: actor, flowID: flowID)
    }
}

extension FlowModel.PendingWrite {
    init(_ message: WireMessages.PendingWrite) {
        self.init(
            taskID: message.taskID, index: message.index, channel: message.channel, type: message.type, value: message.value,
            path: message.path)
    }

    fileprivate var message: WireMessages.PendingWrite {
        WireMessages.PendingWrite(taskID: taskID, index: index, channel: channel, type: type, value: value, path: path)
    }
}

extension FlowModel.StoredWrite {
    var message: WireMessages.StoredWrite {
        WireMessages.StoredWrite(
            write: write.message, versionLabel: versionLabel, actor: actor, createdAt: createdAt.message)
    }
}

extension FlowLease {
    var message: Lease {
        Lease(flowID: flowID, holder: holder, token: token, acquiredAt: acquiredAt.message, expiresAt: expiresAt.message)
    }
}

extension Precondition {
    /// `any_version` is a member of a oneof: only `true` means something.
    init(anyVersion isSet: Bool) throws(StateError) {
        guard isSet else {
            throw .invalidArgument(field: "any_version", message: "must be true, or expected_version be given, or neither")
        }
        self = .anyVersion
    }
}

extension DefinitionRecord {
    var message: WireMessages.FlowDefinition {
        WireMessages.FlowDefinition(
            flowType: flowType, revision: revision, document: document, createdAt: createdAt?.message, actor: actor, builtIn: isBuiltIn)
    }
}
