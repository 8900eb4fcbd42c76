/// Removes what retention no longer keeps.
public struct CleanupCommand: Sendable {
    /// nil: every tenant.
    public var tenant: String?
    /// nil: every type.
    public var flowType: String?
    /// Only reports what would be removed.
    public var isDryRun: Bool
    /// The most rows to remove; 0 means the default.
    public var maximumRows: Int64
    /// Where an earlier clean-up stopped (`CleanupResult.next`); nil: from the beginning.
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
        // Not bounded above: it is only compared, and a client may ask to remove everything.
        if maximumRows < 0 { throw .invalidArgument(field: "max_rows", message: "is \(maximumRows); use 0 for the default") }
    }
}

/// What a clean-up removed so far, or would remove.
public struct CleanupCounts: Sendable, Equatable {
    public var versions: Int64 = 0
    /// Deleted flows whose history was removed.
    public var flows: Int64 = 0
    /// Flows that were deleted because they had ended; their history is removed later.
    public var endedFlows: Int64 = 0
    public var checkpoints: Int64 = 0
    public var quarantined: Int64 = 0
    public var events: Int64 = 0
    public var idempotencyRecords: Int64 = 0
    /// Bytes of states as stored.
    public var bytes: Int64 = 0
    /// Flows with a fault: all or some of what should be removed of them stayed, and the next clean-up tries again.
    public var skipped: Int64 = 0

    public init() {}

    /// The rows that `CleanupCommand.maximumRows` bounds.
    public var rows: Int64 { versions + endedFlows + checkpoints + quarantined + events + idempotencyRecords }
}

public struct CleanupResult: Sendable, Equatable {
    public var counts: CleanupCounts
    /// It stopped before the end: there may be more to remove.
    public var isIncomplete: Bool
    /// Where to continue; nil: it reached the end.
    public var next: PageToken?

    public init(counts: CleanupCounts, isIncomplete: Bool, next: PageToken? = nil) {
        self.counts = counts
        self.isIncomplete = isIncomplete
        self.next = next
    }
}

/// The progress of a clean-up: all flows of the tenants before this one are done, and this tenant's flows up to this one. Pure.
public struct CleanupPlace: Sendable, Equatable {
    public var tenant: String
    /// Empty: none of the tenant's flows is done yet.
    public var flowID: String

    /// Before everything.
    public static let start = CleanupPlace(tenant: "", flowID: "")

    public init(tenant: String, flowID: String) {
        self.tenant = tenant
        self.flowID = flowID
    }

    /// Tenant and flow id are separated by a line break, which names cannot contain.
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

/// The clean-up that servers start by themselves, one at a time, as far as it concerns one tenant: the current one, else the last.
public struct CleanupRun: Sendable, Equatable {
    /// The server that runs it.
    public var holder: String
    public var startedAt: Timestamp
    /// nil: it is running, or its server has died and another will take over.
    public var finishedAt: Timestamp?
    /// Its progress: the tenant's flow that it reached last; empty: it is not at the tenant's flows.
    public var flowID: String
    /// What it has removed of the tenant's flows.
    public var counts: CleanupCounts

    public init(holder: String, startedAt: Timestamp, finishedAt: Timestamp?, flowID: String, counts: CleanupCounts) {
        self.holder = holder
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.flowID = flowID
        self.counts = counts
    }
}

public struct GetCleanupRunCommand: Sendable {
    public let tenant: String

    public init(tenant: String) { self.tenant = tenant }

    public func check(limits: Limits) throws(StateError) {
        try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes)
    }
}
