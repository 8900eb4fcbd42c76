/// Watches flows of one tenant: each version that is committed, at least once, in order per flow.
package struct WatchFlowsCommand: Sendable {
    package enum Start: Sendable, Equatable {
        /// With what is committed from now on.
        case now
        case cursor(WatchCursor)
        /// With the versions of the one flow after this one.
        case version(FlowVersion)
    }

    package var tenant: String
    /// By id; empty: all that the filter matches.
    package var flowIDs: [String]
    package var filter: FlowFilter
    package var start: Start
    package var includesStates: Bool
    /// The time without a change after which a bookmark is sent; nil: the default.
    package var bookmarkMilliseconds: Int64?

    package init(
        tenant: String, flowIDs: [String] = [], filter: FlowFilter = FlowFilter(), start: Start = .now, includesStates: Bool = false,
        bookmarkMilliseconds: Int64? = nil
    ) {
        self.tenant = tenant
        self.flowIDs = flowIDs
        self.filter = filter
        self.start = start
        self.includesStates = includesStates
        self.bookmarkMilliseconds = bookmarkMilliseconds
    }
}

/// A version that was committed, as watches get it. A class: many watches share it.
package final class FlowChange: Sendable {
    package let transaction: Int64
    /// As it was when the change was read.
    package let head: FlowHead
    package let version: VersionRecord

    package init(transaction: Int64, head: FlowHead, version: VersionRecord) {
        self.transaction = transaction
        self.head = head
        self.version = version
    }

    /// Approximate memory in bytes.
    package var byteCount: Int { 512 + version.metadata.count + head.labels.entries.count * 64 }
}

/// What a watch sends.
package struct WatchEvent: Sendable {
    package enum Kind: Sendable {
        /// The state is empty unless the watch asks for states.
        case change(FlowChange, state: [UInt8])
        /// Every change before this time has been sent.
        case bookmark(Timestamp)
    }

    package var kind: Kind
    /// Where to go on after this event.
    package var cursor: WatchCursor

    package init(_ kind: Kind, cursor: WatchCursor) {
        self.kind = kind
        self.cursor = cursor
    }
}

extension FlowFilter {
    /// Whether a change is one of a flow that matches: its type, its labels as they are now, and the phase and status of the version.
    package func matches(_ change: FlowChange) -> Bool {
        func isEqual(_ wanted: String?, _ found: String) -> Bool { wanted.map { $0.utf8.elementsEqual(found.utf8) } ?? true }
        return isEqual(flowType, change.head.flowType) && isEqual(phase, change.version.phase) && isEqual(status, change.version.status)
            && change.head.key.flowID.utf8.starts(with: flowIDPrefix.utf8)
            && labels.entries.allSatisfy { wanted in change.head.labels[wanted.name].map { isEqual(wanted.value, $0) } ?? false }
    }
}

extension WatchFlowsCommand {
    /// The cursor behind a version of the one flow.
    package func cursor(after version: FlowVersion) -> WatchCursor {
        .version(version, flow: WatchCursor.fingerprint(of: flowIDs.first ?? ""))
    }
}

extension StateCheck {
    package func check(_ command: WatchFlowsCommand) throws(StateError) {
        try NameRule.check(command.tenant, field: "tenant", maximumBytes: limits.idBytes)
        if command.flowIDs.count > limits.watchedFlows {
            throw .invalidArgument(field: "flow_ids", message: "has \(command.flowIDs.count) entries, the limit is \(limits.watchedFlows)")
        }
        for (place, id) in command.flowIDs.enumerated() {
            try NameRule.check(id, field: "flow_ids[\(place)]", maximumBytes: limits.idBytes)
        }
        let filter = command.filter
        try check(filter)
        guard filter.created.isUnbounded, filter.updated.isUnbounded else {
            throw .invalidArgument(
                field: "filter", message: "has a time; a watch begins with a cursor, or with what is committed from now on")
        }
        if filter.isOverdue {
            throw .invalidArgument(
                field: "filter", message: "has overdue; that a flow becomes overdue is no change: list flows, or watch notifications")
        }
        switch command.start {
        case .version where command.flowIDs.count != 1:
            throw .invalidArgument(field: "after_version", message: "needs exactly one flow id, since every flow has its own numbers")
        case .cursor(.version(_, let flow)) where command.flowIDs.count != 1 || WatchCursor.fingerprint(of: command.flowIDs[0]) != flow:
            throw .invalidArgument(field: "cursor", message: "is of the versions of one flow, and that is not what this watch is of")
        case .now, .cursor, .version: break
        }
        if let interval = command.bookmarkMilliseconds, interval < limits.minimumBookmarkMilliseconds {
            throw .invalidArgument(
                field: "bookmark_interval",
                message: "is too short; it must be at least \(limits.minimumBookmarkMilliseconds) ms")
        }
    }
}
