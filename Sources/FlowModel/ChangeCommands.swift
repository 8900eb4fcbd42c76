import JSON

/// What must be true of a flow's version before a change is applied.
package enum Precondition: Sendable, Equatable {
    /// The client gave no precondition: the change is appended to whatever version is latest.
    case none
    /// The client accepts any version, including "does not exist" (0). Appends like `none`, but satisfies a rule that demands a
    /// precondition.
    case anyVersion
    /// The flow must be at this version; 0: it must not exist.
    case expected(FlowVersion)
    /// The flow's latest version must have this label.
    case expectedLabel(String)
}

/// A checkpoint to be made.
package struct CheckpointRequest: Sendable, Equatable {
    /// Generated for this call (`UUIDv7`).
    package var id: String
    /// nil: the checkpoint is known by its id only.
    package var name: String?
    package var description: String
    /// The checkpoint is of the version before the saved one; the precondition must be `expected` then.
    package var isOfVersionBefore: Bool

    package init(id: String, name: String? = nil, description: String = "", isOfVersionBefore: Bool = false) {
        self.id = id
        self.name = name
        self.description = description
        self.isOfVersionBefore = isOfVersionBefore
    }
}

/// Writes one version: state, head, checkpoint, audit and idempotency record in one commit.
package struct SaveCommand: Sendable {
    package var key: FlowKey
    /// The caller, from its credential; recorded in the audit trail.
    package var actor: String
    /// Empty with a patch, and with `parts`.
    package var state: [UInt8]
    /// The state, if it is stored in parts already.
    package var parts: StateParts?
    /// Makes the state from the latest one; nil: `state` is given.
    package var patch: StatePatch?
    package var contentType: ContentType
    package var precondition: Precondition
    package var kind: VersionKind
    /// The server generated the flow id for this call: a retry with the same idempotency key has another id, but is the same request.
    package var hasGeneratedFlowID = false
    /// Required when the save creates the flow; otherwise nil or the flow's own type.
    package var flowType: String?
    /// These four are fields of the head: nil keeps the flow's value.
    package var phase: String?
    package var status: String?
    /// 0…100.
    package var progress: Double?
    /// Replace all labels of the flow.
    package var labels: Labels?
    /// Labels that the definition derives from the state. nil when `labels` is given, which then contains them.
    package var labelChanges: LabelChanges?
    /// The definition's revision to which this save pins a flow that it creates or moves (kind `definitionMoved`); nil: the latest.
    package var definitionRevision: Int64?
    /// The version's own fields.
    package var versionLabel: String?
    /// The version this state was made from; nil means the one before.
    package var parentVersion: FlowVersion?
    /// Instead of `parentVersion`: the label of the version this state was made from, which may be unknown here.
    package var parentLabel: String?
    package var tags = Labels.none
    /// A deleted flow goes on, as a new one, with its next number.
    package var revives = false
    /// The fencing token of the caller's lease, which must be the current one; nil: the caller has none.
    package var leaseToken: Int64?
    /// How long after its last save the flow is deleted; 0: it stays; nil: as before.
    package var ttlMilliseconds: Int64?
    /// Those of `phase` and `status`; nil: both are nil, or the flow's definition has no limits.
    package var timeLimits: EnteredLimits?
    /// The save reports that time limits of the flow have passed, and is made only if that was not reported yet.
    package var overdue: OverdueMark?
    /// JSON, or empty.
    package var metadata: [UInt8] = []
    package var checkpoint: CheckpointRequest?
    /// Stored for the version's label, which must be given then.
    package var writes: [PendingWrite] = []
    /// Quarantines the previous version in the same commit; the precondition must be `expected` then.
    package var quarantine: QuarantineRequest?
    /// Inserted in the same commit; requires the precondition `expected`, and no checkpoint.
    package var notification: NotificationRequest?
    package var idempotencyKey: String?
    /// Identifies the request beside its key when the server derived the state from it; nil: the command itself does.
    package var requestDigest: [UInt8]?

    package init(
        key: FlowKey, actor: String, state: [UInt8], contentType: ContentType = .json, precondition: Precondition = .none,
        kind: VersionKind = .saved
    ) {
        self.key = key
        self.actor = actor
        self.state = state
        self.contentType = contentType
        self.precondition = precondition
        self.kind = kind
    }

    /// Of the state, in bytes.
    package var stateSize: Int64 { parts?.size ?? Int64(state.count) }

    /// Creates a flow that must not exist, nor have existed. Its conflict is `flowAlreadyExists`.
    package static func create(
        key: FlowKey, hasGeneratedFlowID: Bool, actor: String, state: [UInt8], contentType: ContentType = .json
    ) -> SaveCommand {
        var command = SaveCommand(
            key: key, actor: actor, state: state, contentType: contentType, precondition: .expected(0), kind: .created)
        command.hasGeneratedFlowID = hasGeneratedFlowID
        return command
    }
}

/// The result of a change.
package struct SavedVersion: Sendable, Equatable {
    package var flowID: String
    package var version: FlowVersion
    package var createdAt: Timestamp
    /// XXH3-128 of the state, 16 bytes big-endian.
    package var digest: [UInt8]
    /// The checkpoint made in the same commit.
    package var checkpointID: String?
    /// The version whose state was restored.
    package var restoredVersion: FlowVersion?
    /// The idempotency key was used before: this is the first answer, and nothing was changed.
    package var replayed: Bool
    /// Violations of the flow's definition by the state, which was saved all the same.
    package var warnings: [Violation] = []

    package init(
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

/// How a version is made from the latest one.
package struct StatePatch: Sendable, Equatable {
    package enum Format: Sendable {
        /// RFC 7396.
        case merge
        /// RFC 6902.
        case json
    }

    package var format: Format
    package var bytes: [UInt8]
    /// The content type stays that of the latest version.
    package var keepsContentType: Bool

    package init(_ format: Format, _ bytes: [UInt8], keepsContentType: Bool = true) {
        self.format = format
        self.bytes = bytes
        self.keepsContentType = keepsContentType
    }
}

/// The JSON Patch between two versions of a flow.
package struct DiffVersionsCommand: Sendable {
    package var key: FlowKey
    package var from: FlowVersion
    /// nil: the latest.
    package var to: FlowVersion?

    package init(key: FlowKey, from: FlowVersion, to: FlowVersion? = nil) {
        self.key = key
        self.from = from
        self.to = to
    }
}

package struct VersionDiff: Sendable, Equatable {
    package var from: FlowVersion
    package var to: FlowVersion
    /// RFC 6902; `[]` when both are equal.
    package var patch: [UInt8]

    package init(from: FlowVersion, to: FlowVersion, patch: [UInt8]) {
        self.from = from
        self.to = to
        self.patch = patch
    }
}

/// Writes a tombstone: the flow cannot be saved or loaded any more, its versions stay readable by number.
package struct DeleteFlowCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    package var precondition: Precondition
    package var idempotencyKey: String?
    /// Only if its time is over, and no one has a lease on it; otherwise its conflict is `versionConflict`.
    package var onlyExpired = false

    package init(key: FlowKey, actor: String, precondition: Precondition = .none) {
        self.key = key
        self.actor = actor
        self.precondition = precondition
    }
}

/// Writes the state of a checkpoint, with its phase, status and progress, as a new version.
package struct RestoreCheckpointCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    /// A name or an id.
    package var checkpoint: String
    package var precondition: Precondition
    package var idempotencyKey: String?

    package init(key: FlowKey, actor: String, checkpoint: String, precondition: Precondition = .none) {
        self.key = key
        self.actor = actor
        self.checkpoint = checkpoint
        self.precondition = precondition
    }
}

/// Makes a flow from a version of another one.
package struct ForkFlowCommand: Sendable {
    package var source: FlowKey
    /// Not by time.
    package var selector: LoadSelector
    /// The new flow.
    package var key: FlowKey
    /// See `SaveCommand`.
    package var hasGeneratedFlowID: Bool
    package var actor: String
    /// Earlier versions, checkpoints and pending writes are copied too, with their numbers and times.
    package var withHistory: Bool
    /// nil: those of the source.
    package var labels: Labels?
    /// JSON, or empty.
    package var metadata: [UInt8] = []
    package var idempotencyKey: String?

    package init(
        source: FlowKey, selector: LoadSelector = .latest, key: FlowKey, hasGeneratedFlowID: Bool = false, actor: String,
        withHistory: Bool = false
    ) {
        self.source = source
        self.selector = selector
        self.key = key
        self.hasGeneratedFlowID = hasGeneratedFlowID
        self.actor = actor
        self.withHistory = withHistory
    }
}

/// Names a version. Changes no version.
package struct CreateCheckpointCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    package var checkpoint: CheckpointRequest
    /// nil: the newest.
    package var version: FlowVersion?

    package init(key: FlowKey, actor: String, checkpoint: CheckpointRequest, version: FlowVersion? = nil) {
        self.key = key
        self.actor = actor
        self.checkpoint = checkpoint
        self.version = version
    }
}

/// Removes a checkpoint and returns it as it was; the version stays.
package struct DeleteCheckpointCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    /// A name or an id.
    package var checkpoint: String

    package init(key: FlowKey, actor: String, checkpoint: String) {
        self.key = key
        self.actor = actor
        self.checkpoint = checkpoint
    }
}

/// Deletes idempotency keys older than `ageMilliseconds` by the database's clock, at most `limit` of them, and returns how many.
package struct PurgeIdempotencyCommand: Sendable {
    package var ageMilliseconds: Int64
    package var limit: Int

    package init(ageMilliseconds: Int64, limit: Int = 1_000) {
        self.ageMilliseconds = ageMilliseconds
        self.limit = limit
    }
}
