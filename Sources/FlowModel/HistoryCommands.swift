import JSON

/// Everything that happened to a flow, newest first: its versions, and events that made none.
package struct GetHistoryCommand: Sendable {
    package var key: FlowKey
    /// Kinds of events, and of versions by their names (`VersionKind.name`); empty: all.
    package var kinds: [String]
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(key: FlowKey, kinds: [String] = [], pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.key = key
        self.kinds = kinds
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// An event of a flow that made no version.
package struct EventRecord: Sendable, Equatable {
    /// The order in which a flow's events were written.
    package var id: Int64
    package var kind: String
    package var actor: String
    /// JSON.
    package var detail: [UInt8]
    package var createdAt: Timestamp

    package init(id: Int64, kind: String, actor: String, detail: [UInt8], createdAt: Timestamp) {
        self.id = id
        self.kind = kind
        self.actor = actor
        self.detail = detail
        self.createdAt = createdAt
    }
}

package enum HistoryRecord: Sendable, Equatable {
    case version(VersionRecord)
    case event(EventRecord)
}

/// Reports a flow's phases and counts.
package struct GetSummaryCommand: Sendable {
    package var key: FlowKey

    package init(key: FlowKey) { self.key = key }
}

package struct FlowSummary: Sendable, Equatable {
    package struct Phase: Sendable, Equatable {
        package enum Progress: Sendable {
            case pending, active, complete, left
        }

        package var name: String
        package var progress: Progress
        /// When the flow entered it last; nil: never.
        package var enteredAt: Timestamp?
        /// When it was marked complete last; nil: never.
        package var completedAt: Timestamp?

        package init(name: String, progress: Progress, enteredAt: Timestamp?, completedAt: Timestamp?) {
            self.name = name
            self.progress = progress
            self.enteredAt = enteredAt
            self.completedAt = completedAt
        }
    }

    package var head: FlowHead
    package var phases: [Phase]
    package var versions: Int64
    package var checkpoints: Int64
    package var errors: Int64
    package var recoveries: Int64
    /// Empty when no error was reported.
    package var lastError: String
    /// Size of the states as stored.
    package var storedBytes: Int64

    package init(
        head: FlowHead, phases: [Phase], versions: Int64, checkpoints: Int64, errors: Int64, recoveries: Int64, lastError: String,
        storedBytes: Int64
    ) {
        self.head = head
        self.phases = phases
        self.versions = versions
        self.checkpoints = checkpoints
        self.errors = errors
        self.recoveries = recoveries
        self.lastError = lastError
        self.storedBytes = storedBytes
    }
}

extension FlowSummary.Phase {
    /// Every phase of the definition, in its order, and then other phases that the flow has been in, in the order in which it entered them.
    ///
    /// - Parameter visits: when the flow was in each phase; may contain phases that the definition does not have.
    package static func all(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, visits: [(phase: String, enteredAt: Timestamp?, completedAt: Timestamp?)],
        limits: Limits, budget: WorkBudget
    ) throws(StateError) -> [FlowSummary.Phase] {
        let step = try LifecycleStep(leaving: snapshot, definition, now: snapshot.head.updatedAt, limits: limits, budget: budget)
        let complete = try step.completions()
        let known = definition?.phases.map(\.name) ?? []
        let others = visits.filter { definition?.phase($0.phase) == nil && !$0.phase.isEmpty }.sorted { visit, other in
            (visit.enteredAt ?? .latest) < (other.enteredAt ?? .latest)
        }
        let byPhase = Dictionary(visits.map { (Name($0.phase), $0) }, uniquingKeysWith: { first, _ in first })
        return (known + others.map(\.phase)).map { name in
            let visit = byPhase[Name(name)]
            let isComplete = known.isEmpty ? visit?.completedAt != nil : complete.contains(JSONName(name))
            let progress: FlowSummary.Phase.Progress =
                isComplete ? .complete : name.hasSameBytes(as: step.phase) ? .active : visit?.enteredAt != nil ? .left : .pending
            return FlowSummary.Phase(name: name, progress: progress, enteredAt: visit?.enteredAt, completedAt: visit?.completedAt)
        }
    }
}
