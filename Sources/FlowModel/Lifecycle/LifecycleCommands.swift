/// The fields of every lifecycle step.
public struct LifecycleRequest: Sendable, Equatable {
    public var key: FlowKey
    public var actor: String
    public var precondition: Precondition
    public var idempotencyKey: String?

    public init(key: FlowKey, actor: String, precondition: Precondition = .none, idempotencyKey: String? = nil) {
        self.key = key
        self.actor = actor
        self.precondition = precondition
        self.idempotencyKey = idempotencyKey
    }
}

/// Moves a flow to another phase.
public struct TransitionCommand: Sendable {
    public var request: LifecycleRequest
    public var phase: String
    public var reason: String
    /// JSON, or empty.
    public var phaseData: [UInt8]
    public var isForced: Bool
    /// Generated for this call: the id of the checkpoint of the version before.
    public var checkpointID: String

    public init(
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
public struct CompletePhaseCommand: Sendable {
    public var request: LifecycleRequest
    /// nil: the flow's current phase.
    public var phase: String?
    /// JSON, or empty.
    public var results: [UInt8]
    public var metadata: [UInt8]
    public var checkpointID: String

    public init(
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
public struct ReportErrorCommand: Sendable {
    public var request: LifecycleRequest
    /// nil: the flow's current phase.
    public var phase: String?
    public var errorType: String
    public var message: String
    /// JSON, or empty.
    public var details: [UInt8]
    public var isRetryable: Bool
    /// Generated for this call.
    public var notificationID: String

    public init(
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
public struct SetStatusCommand: Sendable {
    public var request: LifecycleRequest
    /// nil keeps the flow's value, as for progress.
    public var status: String?
    public var progress: Double?
    public var setLabels: Labels
    public var removedLabels: [String]

    public init(
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
    public init(
        _ head: FlowHead, state: [UInt8], before: Snapshot, _ definition: FlowDefinition?, limits: Limits, budget: WorkBudget,
        replayed: Bool
    ) throws(StateError) {
        let now = head.updatedAt
        var after = before
        after.state = state
        self.init(
            head: head, from: try LifecycleStep(leaving: before, definition, now: now, limits: limits, budget: budget).phase,
            completed: try LifecycleStep(leaving: after, definition, now: now, limits: limits, budget: budget).completedPhases(),
            replayed: replayed)
    }
}

/// A flow after a lifecycle step.
public struct LifecycleOutcome: Sendable, Equatable {
    public var head: FlowHead
    /// The phase before.
    public var from: String
    /// In the definition's order.
    public var completed: [String]
    public var replayed: Bool
    /// The recovery that the flow's policy started before the step; empty: none.
    public var recoveryID = ""

    public init(head: FlowHead, from: String, completed: [String], replayed: Bool) {
        self.head = head
        self.from = from
        self.completed = completed
        self.replayed = replayed
    }
}
