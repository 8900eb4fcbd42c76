/// What must be true of a flow's version before a change is applied.
public enum Precondition: Sendable, Equatable {
    /// The client said nothing: the change is appended to whatever is there.
    case none
    /// The client said that any version will do, "does not exist" (0) among them. Appends like `none`; a rule that demands a
    /// precondition accepts it.
    case anyVersion
    /// The flow must be at this version; 0: it must not exist.
    case expected(FlowVersion)
}

/// A checkpoint to be made.
public struct CheckpointRequest: Sendable, Equatable {
    /// Made for this call (`UUIDv7`).
    public var id: String
    /// nil: the checkpoint is known by its id only.
    public var name: String?
    public var description: String
    /// Of the version before the one that is saved, which must be expected then.
    public var isOfVersionBefore: Bool

    public init(id: String, name: String? = nil, description: String = "", isOfVersionBefore: Bool = false) {
        self.id = id
        self.name = name
        self.description = description
        self.isOfVersionBefore = isOfVersionBefore
    }
}

/// Writes one version: state, head, checkpoint, audit and idempotency record in one commit.
public struct SaveCommand: Sendable {
    public var key: FlowKey
    /// Who saves, from the credential; goes into the audit trail.
    public var actor: String
    public var state: [UInt8]
    public var contentType: ContentType
    public var precondition: Precondition
    public var kind: VersionKind
    /// The flow id was made by the server for this very call: a retry with the same idempotency key brings another one and is still
    /// the same request.
    public var hasGeneratedFlowID = false
    /// Given when the save creates the flow; else nil or the flow's own.
    public var flowType: String?
    /// These four of the head: nil keeps what the flow has.
    public var phase: String?
    public var status: String?
    /// 0…100.
    public var progress: Double?
    /// Given labels replace all that the flow has.
    public var labels: Labels?
    /// What the definition takes from the state. Nil when `labels` are given: they hold it then.
    public var labelChanges: LabelChanges?
    /// Which revision of the definition a flow follows that this save makes, or one that it moves (kind `definitionMoved`); nil: the latest.
    public var definitionRevision: Int64?
    /// The version's own fields.
    public var versionLabel: String?
    /// The version this state was made from; nil means the one before.
    public var parentVersion: FlowVersion?
    /// JSON, or empty.
    public var metadata: [UInt8] = []
    public var checkpoint: CheckpointRequest?
    /// The version before is archived in the same commit; one must be expected then.
    public var quarantine: QuarantineRequest?
    /// Made in the same commit; a version must be expected then, and no checkpoint be made.
    public var notification: NotificationRequest?
    public var idempotencyKey: String?
    /// What identifies the request beside its key, when the state was made from it; nil: the command itself.
    public var requestDigest: [UInt8]?

    public init(
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

    /// A flow that must not exist yet, nor have existed. Its conflict is `flowAlreadyExists`.
    public static func create(
        key: FlowKey, hasGeneratedFlowID: Bool, actor: String, state: [UInt8], contentType: ContentType = .json
    ) -> SaveCommand {
        var command = SaveCommand(
            key: key, actor: actor, state: state, contentType: contentType, precondition: .expected(0), kind: .created)
        command.hasGeneratedFlowID = hasGeneratedFlowID
        return command
    }
}

/// Writes a version that is made from the latest one.
public struct PatchCommand: Sendable {
    public enum Patch: Sendable, Equatable {
        /// RFC 7396.
        case merge([UInt8])
        /// RFC 6902.
        case json([UInt8])
    }

    /// Everything but the state. Without an expected version the patch is applied to whatever is the latest, and again when another
    /// save came in between.
    public var save: SaveCommand
    public var patch: Patch
    /// The content type stays that of the latest version.
    public var keepsContentType: Bool

    public init(_ save: SaveCommand, _ patch: Patch, keepsContentType: Bool = true) {
        self.save = save
        self.patch = patch
        self.keepsContentType = keepsContentType
    }
}

/// `SaveState`: a whole state, or a patch.
public enum SaveOrPatchCommand: Sendable {
    case save(SaveCommand)
    case patch(PatchCommand)
}

/// The JSON Patch between two versions of a flow.
public struct DiffVersionsCommand: Sendable {
    public var key: FlowKey
    public var from: FlowVersion
    /// nil: the latest.
    public var to: FlowVersion?

    public init(key: FlowKey, from: FlowVersion, to: FlowVersion? = nil) {
        self.key = key
        self.from = from
        self.to = to
    }
}

public struct VersionDiff: Sendable, Equatable {
    public var from: FlowVersion
    public var to: FlowVersion
    /// RFC 6902; `[]` when both are equal.
    public var patch: [UInt8]

    public init(from: FlowVersion, to: FlowVersion, patch: [UInt8]) {
        self.from = from
        self.to = to
        self.patch = patch
    }
}

/// Writes a tombstone: the flow cannot be saved or loaded any more, its versions stay readable by number.
public struct DeleteFlowCommand: Sendable {
    public var key: FlowKey
    public var actor: String
    public var precondition: Precondition
    public var idempotencyKey: String?

    public init(key: FlowKey, actor: String, precondition: Precondition = .none) {
        self.key = key
        self.actor = actor
        self.precondition = precondition
    }
}

/// Writes the state of a checkpoint, with its phase, status and progress, as a new version.
public struct RestoreCheckpointCommand: Sendable {
    public var key: FlowKey
    public var actor: String
    /// A name or an id.
    public var checkpoint: String
    public var precondition: Precondition
    public var idempotencyKey: String?

    public init(key: FlowKey, actor: String, checkpoint: String, precondition: Precondition = .none) {
        self.key = key
        self.actor = actor
        self.checkpoint = checkpoint
        self.precondition = precondition
    }
}

/// Names a version. Changes no version.
public struct CreateCheckpointCommand: Sendable {
    public var key: FlowKey
    public var actor: String
    public var checkpoint: CheckpointRequest
    /// nil: the newest.
    public var version: FlowVersion?

    public init(key: FlowKey, actor: String, checkpoint: CheckpointRequest, version: FlowVersion? = nil) {
        self.key = key
        self.actor = actor
        self.checkpoint = checkpoint
        self.version = version
    }
}

/// Removes the name and answers the checkpoint as it was; the version stays.
public struct DeleteCheckpointCommand: Sendable {
    public var key: FlowKey
    public var actor: String
    /// A name or an id.
    public var checkpoint: String

    public init(key: FlowKey, actor: String, checkpoint: String) {
        self.key = key
        self.actor = actor
        self.checkpoint = checkpoint
    }
}

/// Forgets idempotency keys older than `ageMilliseconds` by the database's clock, at most `limit` of them, and answers how many.
public struct PurgeIdempotencyCommand: Sendable {
    public var ageMilliseconds: Int64
    public var limit: Int

    public init(ageMilliseconds: Int64, limit: Int = 1_000) {
        self.ageMilliseconds = ageMilliseconds
        self.limit = limit
    }
}
