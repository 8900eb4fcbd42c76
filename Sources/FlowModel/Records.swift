/// What made a version. The numbers are those of the API's `VersionEvent`.
public enum VersionKind: Int16, Sendable, CaseIterable {
    /// The flow's first version, whichever command wrote it.
    case created = 1
    case saved = 2
    case restored = 3
    case forked = 4
    /// The tombstone: it has no state.
    case deleted = 5
    case transitioned = 6
    case statusSet = 7
    case errorReported = 8
    case recovered = 9
    case migrated = 10
    case phaseCompleted = 11
    /// The flow follows another revision of its definition from here on; its state is unchanged.
    case definitionMoved = 12

    /// As the API spells it, in lower case.
    public var name: String {
        switch self {
        case .created: "created"
        case .saved: "saved"
        case .restored: "restored"
        case .forked: "forked"
        case .deleted: "deleted"
        case .transitioned: "transitioned"
        case .statusSet: "status_set"
        case .errorReported: "error_reported"
        case .recovered: "recovered"
        case .migrated: "migrated"
        case .phaseCompleted: "phase_completed"
        case .definitionMoved: "definition_moved"
        }
    }
}

/// The head of a flow: what lists show without opening the state.
public struct FlowHead: Sendable, Equatable {
    public var key: FlowKey
    public var flowType: String
    /// Of a deleted flow: the tombstone's.
    public var version: FlowVersion
    /// Empty when never set; so are `status` and, as nil, `progress`.
    public var phase: String
    public var status: String
    /// 0…100.
    public var progress: Double?
    public var labels: Labels
    public var createdAt: Timestamp
    /// When the newest version was written.
    public var updatedAt: Timestamp
    public var deletedAt: Timestamp?
    /// The revision of its type's definition to which it is pinned; nil: it follows the latest.
    public var definitionRevision: Int64?

    public var isDeleted: Bool { deletedAt != nil }

    public init(
        key: FlowKey, flowType: String, version: FlowVersion, phase: String, status: String, progress: Double?, labels: Labels,
        createdAt: Timestamp, updatedAt: Timestamp, deletedAt: Timestamp?, definitionRevision: Int64? = nil
    ) {
        self.key = key
        self.flowType = flowType
        self.version = version
        self.phase = phase
        self.status = status
        self.progress = progress
        self.labels = labels
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.deletedAt = deletedAt
        self.definitionRevision = definitionRevision
    }
}

/// One version without its state: one entry of the audit trail.
public struct VersionRecord: Sendable, Equatable {
    public var version: FlowVersion
    /// The version this one was made from; nil for the first.
    public var parentVersion: FlowVersion?
    public var kind: VersionKind
    public var actor: String
    public var contentType: String
    /// Bytes of the state.
    public var size: Int64
    /// XXH3-128 of the state, 16 bytes big-endian.
    public var digest: [UInt8]
    public var phase: String
    public var status: String
    public var progress: Double?
    public var versionLabel: String?
    /// JSON, or empty.
    public var metadata: [UInt8]
    public var createdAt: Timestamp
    /// Names (ids where there is no name) of the checkpoints that point here, sorted by bytes.
    public var checkpoints: [String]

    public init(
        version: FlowVersion, parentVersion: FlowVersion?, kind: VersionKind, actor: String, contentType: String, size: Int64,
        digest: [UInt8], phase: String, status: String, progress: Double?, versionLabel: String?, metadata: [UInt8],
        createdAt: Timestamp, checkpoints: [String]
    ) {
        self.version = version
        self.parentVersion = parentVersion
        self.kind = kind
        self.actor = actor
        self.contentType = contentType
        self.size = size
        self.digest = digest
        self.phase = phase
        self.status = status
        self.progress = progress
        self.versionLabel = versionLabel
        self.metadata = metadata
        self.createdAt = createdAt
        self.checkpoints = checkpoints
    }
}

/// One version with its state, and the head as it was read with it.
public struct Snapshot: Sendable, Equatable {
    public var head: FlowHead
    public var version: VersionRecord
    public var state: [UInt8]

    public init(head: FlowHead, version: VersionRecord, state: [UInt8]) {
        self.head = head
        self.version = version
        self.state = state
    }
}

/// A name for a version.
public struct CheckpointRecord: Sendable, Equatable {
    /// Generated, a UUIDv7.
    public var id: String
    /// Unique within the flow; nil when the checkpoint is known by its id only. When a text is both a name and an id, the name wins.
    public var name: String?
    public var version: FlowVersion
    public var description: String
    public var actor: String
    public var createdAt: Timestamp

    public init(id: String, name: String?, version: FlowVersion, description: String, actor: String, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.version = version
        self.description = description
        self.actor = actor
        self.createdAt = createdAt
    }
}

/// The result of a change.
public struct SavedVersion: Sendable, Equatable {
    public var flowID: String
    public var version: FlowVersion
    public var createdAt: Timestamp
    /// XXH3-128 of the state, 16 bytes big-endian.
    public var digest: [UInt8]
    /// The checkpoint made in the same commit.
    public var checkpointID: String?
    /// The version whose state was restored.
    public var restoredVersion: FlowVersion?
    /// The idempotency key was used before: this is the first answer, and nothing was changed.
    public var replayed: Bool
    /// Violations of the flow's definition by the state, which was saved all the same.
    public var warnings: [StateError.Violation] = []

    public init(
        flowID: String, version: FlowVersion, createdAt: Timestamp, digest: [UInt8], checkpointID: String? = nil,
        restoredVersion: FlowVersion? = nil, replayed: Bool = false
    ) {
        self.flowID = flowID
        self.version = version
        self.createdAt = createdAt
        self.digest = digest
        self.checkpointID = checkpointID
        self.restoredVersion = restoredVersion
        self.replayed = replayed
    }
}

/// One page of a list; `next` is nil on the last one.
public struct Page<Element: Sendable>: Sendable {
    public var elements: [Element]
    public var next: PageToken?
    /// Approximate size in bytes, as read.
    public var byteCount = 0

    public init(elements: [Element], next: PageToken?) {
        self.elements = elements
        self.next = next
    }
}

extension Page: Equatable where Element: Equatable {}
