import JSON

/// The fields of every lifecycle step.
package struct LifecycleRequest: Sendable, Equatable {
    package var key: FlowKey
    package var actor: String
    package var precondition: Precondition
    /// See `SaveCommand`.
    package var leaseToken: Int64?
    package var idempotencyKey: String?

    package init(
        key: FlowKey, actor: String, precondition: Precondition = .none, leaseToken: Int64? = nil, idempotencyKey: String? = nil
    ) {
        self.key = key
        self.actor = actor
        self.precondition = precondition
        self.leaseToken = leaseToken
        self.idempotencyKey = idempotencyKey
    }
}

/// Moves a flow to another phase.
package struct TransitionCommand: Sendable {
    package var request: LifecycleRequest
    package var phase: String
    package var reason: String
    /// JSON, or empty.
    package var phaseData: [UInt8]
    package var isForced: Bool
    /// Generated for this call: the id of the checkpoint of the version before.
    package var checkpointID: String

    package init(
        _ request: LifecycleRequest, phase: String, reason: String = "", phaseData: [UInt8] = [], isForced: Bool = false,
        checkpointID: String
    ) {
        self.request = request
        self.phase = phase
        self.reason = reason
        self.phaseData = phaseData
        self.isForced = isForced
        self.checkpointID = checkpointID
    }
}

/// Marks a phase complete.
package struct CompletePhaseCommand: Sendable {
    package var request: LifecycleRequest
    /// nil: the flow's current phase.
    package var phase: String?
    /// JSON, or empty.
    package var results: [UInt8]
    package var metadata: [UInt8]
    package var checkpointID: String

    package init(
        _ request: LifecycleRequest, phase: String? = nil, results: [UInt8] = [], metadata: [UInt8] = [], checkpointID: String
    ) {
        self.request = request
        self.phase = phase
        self.results = results
        self.metadata = metadata
        self.checkpointID = checkpointID
    }
}

/// Records an error of a flow.
package struct ReportErrorCommand: Sendable, Equatable {
    package var request: LifecycleRequest
    /// nil: the flow's current phase.
    package var phase: String?
    package var errorType: String
    package var message: String
    /// JSON, or empty.
    package var details: [UInt8]
    package var isRetryable: Bool
    /// Generated for this call.
    package var notificationID: String

    package init(
        _ request: LifecycleRequest, phase: String? = nil, errorType: String = "", message: String, details: [UInt8] = [],
        isRetryable: Bool = false, notificationID: String
    ) {
        self.request = request
        self.phase = phase
        self.errorType = errorType
        self.message = message
        self.details = details
        self.isRetryable = isRetryable
        self.notificationID = notificationID
    }
}

/// Sets status, progress and labels.
package struct SetStatusCommand: Sendable {
    package var request: LifecycleRequest
    /// nil keeps the flow's value, as for progress.
    package var status: String?
    package var progress: Double?
    package var setLabels: Labels
    package var removedLabels: [String]

    package init(
        _ request: LifecycleRequest, status: String? = nil, progress: Double? = nil, setLabels: Labels = .none,
        removedLabels: [String] = []
    ) {
        self.request = request
        self.status = status
        self.progress = progress
        self.setLabels = setLabels
        self.removedLabels = removedLabels
    }
}

extension LifecycleOutcome {
    /// - Parameter before: the version that the step was taken from.
    package init(
        _ head: FlowHead, state: [UInt8], before: Snapshot, _ definition: FlowDefinition?, limits: Limits, budget: WorkBudget,
        replayed: Bool
    ) throws(StateError) {
        let now = head.updatedAt
        let after = Snapshot(head: before.head, version: before.version, state: state)
        self.init(
            head: head, from: try LifecycleStep(leaving: before, definition, now: now, limits: limits, budget: budget).phase,
            completed: try LifecycleStep(leaving: after, definition, now: now, limits: limits, budget: budget).completedPhases(),
            replayed: replayed)
    }
}

/// A flow after a lifecycle step.
package struct LifecycleOutcome: Sendable, Equatable {
    package var head: FlowHead
    /// The phase before.
    package var from: String
    /// In the definition's order.
    package var completed: [String]
    package var replayed: Bool
    /// The recovery that the flow's policy started before the step; empty: none.
    package var recoveryID = ""

    package init(head: FlowHead, from: String, completed: [String], replayed: Bool) {
        self.head = head
        self.from = from
        self.completed = completed
        self.replayed = replayed
    }
}
