import JSON
import Synchronization

/// What made a version. The numbers are those of the API's `VersionEvent`.
package enum VersionKind: Int16, Sendable, CaseIterable {
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
    package var name: String {
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
package struct FlowHead: Sendable, Equatable {
    package var key: FlowKey
    package var flowType: String
    /// Of a deleted flow: the tombstone's.
    package var version: FlowVersion
    /// Empty when never set; so are `status` and, as nil, `progress`.
    package var phase: String
    package var status: String
    /// 0…100.
    package var progress: Double?
    package var labels: Labels
    package var createdAt: Timestamp
    /// When the newest version was written.
    package var updatedAt: Timestamp
    package var deletedAt: Timestamp?
    /// The revision of its type's definition to which it is pinned; nil: it follows the latest.
    package var definitionRevision: Int64?
    /// When it is deleted by itself; nil: it stays.
    package var expiresAt: Timestamp?
    /// When the time limits of its phase and of its status end; nil: it has none.
    package var phaseDueAt: Timestamp?
    package var statusDueAt: Timestamp?

    /// The first of both.
    package var dueAt: Timestamp? { [phaseDueAt, statusDueAt].compactMap(\.self).min() }

    package var isDeleted: Bool { deletedAt != nil }

    package init(
        key: FlowKey, flowType: String, version: FlowVersion, phase: String, status: String, progress: Double?, labels: Labels,
        createdAt: Timestamp, updatedAt: Timestamp, deletedAt: Timestamp?, definitionRevision: Int64? = nil, expiresAt: Timestamp? = nil,
        phaseDueAt: Timestamp? = nil, statusDueAt: Timestamp? = nil
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
        self.expiresAt = expiresAt
        self.phaseDueAt = phaseDueAt
        self.statusDueAt = statusDueAt
    }
}

/// One version without its state: one entry of the audit trail.
package struct VersionRecord: Sendable, Equatable {
    package var version: FlowVersion
    /// The version this one was made from; nil for the first.
    package var parentVersion: FlowVersion?
    package var kind: VersionKind
    package var actor: String
    package var contentType: String
    /// Bytes of the state.
    package var size: Int64
    /// XXH3-128 of the state, 16 bytes big-endian.
    package var digest: [UInt8]
    package var phase: String
    package var status: String
    package var progress: Double?
    package var versionLabel: String?
    /// JSON, or empty.
    package var metadata: [UInt8]
    package var createdAt: Timestamp
    /// Names (ids where there is no name) of the checkpoints that point here, sorted by bytes.
    package var checkpoints: [String]
    /// The label of the parent, as it was given.
    package var parentLabel: String?
    package var tags: Labels
    /// It was removed on request, and is in quarantine.
    package var isRemoved: Bool

    package init(
        version: FlowVersion, parentVersion: FlowVersion?, kind: VersionKind, actor: String, contentType: String, size: Int64,
        digest: [UInt8], phase: String, status: String, progress: Double?, versionLabel: String?, metadata: [UInt8],
        createdAt: Timestamp, checkpoints: [String], parentLabel: String? = nil, tags: Labels = .none,
        isRemoved: Bool = false
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
        self.parentLabel = parentLabel
        self.tags = tags
        self.isRemoved = isRemoved
    }
}

/// One version with its state, and the head as it was read with it. A class: copying its three dozen fields for each look took a twentieth of
/// a load.
package final class Snapshot: Sendable, Equatable {
    package let head: FlowHead
    package let version: VersionRecord
    /// Empty with `parts`.
    package let state: [UInt8]
    /// The state, if it is stored in parts and the load finds such states (`LoadCommand.findsParts`).
    package let parts: StateParts?
    /// Whether it may be answered more than once.
    private let isKept: Bool
    private let encoded = Mutex<[UInt8]?>(nil)

    package init(head: FlowHead, version: VersionRecord, state: [UInt8], parts: StateParts? = nil, isKept: Bool = false) {
        self.head = head
        self.version = version
        self.state = state
        self.parts = parts
        self.isKept = isKept
    }

    package static func == (left: Snapshot, right: Snapshot) -> Bool {
        left.head == right.head && left.version == right.version && left.state == right.state && left.parts == right.parts
    }

    /// A part of its answer, encoded when it is first needed; nil when the snapshot is not kept. Safe on any thread.
    package func encodedOnce(_ encode: () -> [UInt8]) -> [UInt8]? {
        guard isKept else { return nil }
        if let known = encoded.withLock(\.self) { return known }
        let made = encode()
        encoded.withLock { $0 = made }
        return made
    }
}

/// A name for a version.
package struct CheckpointRecord: Sendable, Equatable {
    /// Generated, a UUIDv7.
    package var id: String
    /// Unique within the flow; nil when the checkpoint is known by its id only. When a text is both a name and an id, the name wins.
    package var name: String?
    package var version: FlowVersion
    package var description: String
    package var actor: String
    package var createdAt: Timestamp

    package init(id: String, name: String?, version: FlowVersion, description: String, actor: String, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.version = version
        self.description = description
        self.actor = actor
        self.createdAt = createdAt
    }
}

/// One page of a list; `next` is nil on the last one.
package struct Page<Element: Sendable>: Sendable {
    package var elements: [Element]
    package var next: PageToken?
    /// Approximate size in bytes, as read.
    package var byteCount = 0

    package init(elements: [Element], next: PageToken?) {
        self.elements = elements
        self.next = next
    }
}

extension Page: Equatable where Element: Equatable {}
