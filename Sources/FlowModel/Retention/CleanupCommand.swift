/// Removes what retention no longer keeps.
public struct CleanupCommand: Sendable {
    /// nil: every tenant's.
    public var tenant: String?
    /// nil: all.
    public var flowType: String?
    /// Only says what would go.
    public var isDryRun: Bool
    /// Removes so many rows at most; 0 means the default.
    public var maximumRows: Int64
    /// Where an earlier one stopped (`CleanupResult.next`); nil: from the beginning.
    public var cursor: PageToken?
    public var actor: String

    public static let defaultMaximumRows: Int64 = 100_000

    public init(
        tenant: String? = nil, flowType: String? = nil, isDryRun: Bool = false, maximumRows: Int64 = 0, cursor: PageToken? = nil,
        actor: String
    ) {
        self.tenant = tenant
        self.flowType = flowType
        self.isDryRun = isDryRun
        self.maximumRows = maximumRows
        self.cursor = cursor
        self.actor = actor
    }

    public func check(limits: Limits) throws(StateError) {
        try NameRule.check(actor, field: "actor", maximumBytes: limits.idBytes)
        if let tenant { try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes) }
        if let flowType { try NameRule.check(flowType, field: "flow_type", maximumBytes: limits.idBytes) }
        // However large: it is only compared, and clients say so that they mean all.
        if maximumRows < 0 { throw .invalidArgument(field: "max_rows", message: "is \(maximumRows); use 0 for the default") }
    }
}

/// What a clean-up removed so far, or would remove.
public struct CleanupCounts: Sendable, Equatable {
    public var versions: Int64 = 0
    /// Deleted flows whose history went.
    public var flows: Int64 = 0
    /// Flows that were deleted since they had ended; their history goes later.
    public var endedFlows: Int64 = 0
    public var checkpoints: Int64 = 0
    public var quarantined: Int64 = 0
    public var events: Int64 = 0
    public var idempotencyRecords: Int64 = 0
    /// Of states, as they were stored.
    public var bytes: Int64 = 0
    /// Flows that something was wrong with: what should go of them stayed, all or some of it, and the next clean-up tries again.
    public var skipped: Int64 = 0

    public init() {}

    /// What `CleanupCommand.maximumRows` bounds.
    public var rows: Int64 { versions + endedFlows + checkpoints + quarantined + events + idempotencyRecords }
}

public struct CleanupResult: Sendable, Equatable {
    public var counts: CleanupCounts
    /// It stopped before the end: there may be more to remove.
    public var isIncomplete: Bool
    /// Where to go on; nil: it came to the end.
    public var next: PageToken?

    public init(counts: CleanupCounts, isIncomplete: Bool, next: PageToken? = nil) {
        self.counts = counts
        self.isIncomplete = isIncomplete
        self.next = next
    }
}

/// How far a clean-up has come: through all flows of the tenants before this one, and through its own up to this one. Pure.
public struct CleanupPlace: Sendable, Equatable {
    public var tenant: String
    /// Empty: nothing is known of the tenant's flows yet.
    public var flowID: String

    /// Before everything.
    public static let start = CleanupPlace(tenant: "", flowID: "")

    public init(tenant: String, flowID: String) {
        self.tenant = tenant
        self.flowID = flowID
    }

    /// Names have no line breaks.
    public func token(_ command: CleanupCommand) -> PageToken {
        PageToken(
            list: .cleanup, fingerprint: Self.fingerprint(command), position: PageToken.Position(text: "\(tenant)\n\(flowID)"))
    }

    /// Where a command begins.
    public init(_ command: CleanupCommand) throws(StateError) {
        guard let cursor = command.cursor else {
            self = .start
            return
        }
        let text = try cursor.position(list: .cleanup, fingerprint: Self.fingerprint(command)).text
        let parts = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .damagedPageToken }
        self.init(tenant: String(parts[0]), flowID: String(parts[1]))
    }

    private static func fingerprint(_ command: CleanupCommand) -> Fingerprint {
        var fingerprint = Fingerprint()
        fingerprint.combine(command.tenant ?? "")
        fingerprint.combine(command.flowType ?? "")
        return fingerprint
    }
}

/// The clean-up that servers do by themselves, one of them at a time: the one under way, else the last.
public struct CleanupRun: Sendable, Equatable {
    /// The server that does it.
    public var holder: String
    public var startedAt: Timestamp
    /// nil: it is under way, or its server has gone and another will take over.
    public var finishedAt: Timestamp?
    /// How far it has come: the flow looked at last.
    public var tenant: String
    public var flowID: String
    public var counts: CleanupCounts

    public init(
        holder: String, startedAt: Timestamp, finishedAt: Timestamp?, tenant: String, flowID: String, counts: CleanupCounts
    ) {
        self.holder = holder
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.tenant = tenant
        self.flowID = flowID
        self.counts = counts
    }
}

public struct GetCleanupRunCommand: Sendable {
    public init() {}
}
