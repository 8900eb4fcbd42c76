/// Removes what retention no longer keeps.
package struct CleanupCommand: Sendable {
    /// nil: every tenant.
    package var tenant: String?
    /// nil: every type.
    package var flowType: String?
    /// Only reports what would be removed.
    package var isDryRun: Bool
    /// The most rows to remove; 0 means the default.
    package var maximumRows: Int64
    /// Where an earlier clean-up stopped (`CleanupResult.next`); nil: from the beginning.
    package var cursor: PageToken?
    package var actor: String

    package static let defaultMaximumRows: Int64 = 100_000

    package init(
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

    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(actor, field: "actor", maximumBytes: limits.idBytes)
        if let tenant { try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes) }
        if let flowType { try NameRule.check(flowType, field: "flow_type", maximumBytes: limits.idBytes) }
        // Not bounded above: it is only compared, and a client may ask to remove everything.
        if maximumRows < 0 { throw .invalidArgument(field: "max_rows", message: "is \(maximumRows); use 0 for the default") }
    }
}

/// What a clean-up removed so far, or would remove.
package struct CleanupCounts: Sendable, Equatable {
    package var versions: Int64 = 0
    /// Deleted flows whose history was removed.
    package var flows: Int64 = 0
    /// Flows that were deleted because they had ended; their history is removed later.
    package var endedFlows: Int64 = 0
    package var checkpoints: Int64 = 0
    package var quarantined: Int64 = 0
    package var events: Int64 = 0
    package var idempotencyRecords: Int64 = 0
    /// Bytes of states as stored.
    package var bytes: Int64 = 0
    /// Flows with a fault: all or some of what should be removed of them stayed, and the next clean-up tries again.
    package var skipped: Int64 = 0

    package init() {}

    /// The rows that `CleanupCommand.maximumRows` bounds.
    package var rows: Int64 { versions + endedFlows + checkpoints + quarantined + events + idempotencyRecords }
}

package struct CleanupResult: Sendable, Equatable {
    package var counts: CleanupCounts
    /// It stopped before the end: there may be more to remove.
    package var isIncomplete: Bool
    /// Where to continue; nil: it reached the end.
    package var next: PageToken?

    package init(counts: CleanupCounts, isIncomplete: Bool, next: PageToken? = nil) {
        self.counts = counts
        self.isIncomplete = isIncomplete
        self.next = next
    }
}

/// The progress of a clean-up: all flows of the tenants before this one are done, and this tenant's flows up to this one. Pure.
package struct CleanupPlace: Sendable, Equatable {
    package var tenant: String
    /// Empty: none of the tenant's flows is done yet.
    package var flowID: String

    /// Before everything.
    package static let start = CleanupPlace(tenant: "", flowID: "")

    package init(tenant: String, flowID: String) {
        self.tenant = tenant
        self.flowID = flowID
    }

    /// Tenant and flow id are separated by a line break, which names cannot contain.
    package func token(_ command: CleanupCommand) -> PageToken {
        PageToken(
            list: .cleanup, fingerprint: Self.fingerprint(command), position: PageToken.Position(text: "\(tenant)\n\(flowID)"))
    }

    /// Where a command begins.
    package init(_ command: CleanupCommand) throws(StateError) {
        guard let cursor = command.cursor else {
            self = .start
            return
        }
        do throws(StateError) {
            let text = try cursor.position(list: .cleanup, fingerprint: Self.fingerprint(command)).text
            let parts = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw .damagedPageToken }
            self.init(tenant: String(parts[0]), flowID: String(parts[1]))
        } catch .invalidArgument(_, let message) {
            // As the request calls it.
            throw .invalidArgument(field: "cursor", message: message)
        }
    }

    private static func fingerprint(_ command: CleanupCommand) -> Fingerprint {
        var fingerprint = Fingerprint()
        fingerprint.combine(command.tenant ?? "")
        fingerprint.combine(command.flowType ?? "")
        return fingerprint
    }
}

/// The clean-up that servers start by themselves, one at a time, as far as it concerns one tenant: the current one, else the last.
package struct CleanupRun: Sendable, Equatable {
    /// The server that runs it.
    package var holder: String
    package var startedAt: Timestamp
    /// nil: it is running, or its server has died and another will take over.
    package var finishedAt: Timestamp?
    /// Its progress: the tenant's flow that it reached last; empty: it is not at the tenant's flows.
    package var flowID: String
    /// What it has removed of the tenant's flows.
    package var counts: CleanupCounts

    package init(holder: String, startedAt: Timestamp, finishedAt: Timestamp?, flowID: String, counts: CleanupCounts) {
        self.holder = holder
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.flowID = flowID
        self.counts = counts
    }
}

package struct GetCleanupRunCommand: Sendable {
    package let tenant: String

    package init(tenant: String) { self.tenant = tenant }

    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(tenant, field: "tenant", maximumBytes: limits.idBytes)
    }
}
