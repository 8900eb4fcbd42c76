import JSON

/// Every error of a request, in one type: as the store and the rules report it, before a protocol's code is chosen.
///
/// `reason` is stable and meant for programs, `message` says what to do and is meant for people.
///
/// Indirect: results are passed on with every call, and errors, which are rare, would make them large.
package indirect enum StateError: Error, Sendable, Equatable {
    /// ConcurrentModificationError: the flow is at `actual`, the save expected `expected`; 0: "does not exist".
    case versionConflict(flowID: String, expected: Int64, actual: Int64)
    /// The same, of the latest version's label: the flow is at `version`, 0: it does not exist.
    case labelConflict(flowID: String, expected: String, actual: String, version: Int64)
    /// A flow with this id exists, or existed and was deleted (create only).
    case flowAlreadyExists(flowID: String, version: Int64, deleted: Bool)
    /// StateValidationError: the state breaks the rules; every violation found.
    case stateInvalid([Violation])
    /// The patch is valid, but cannot be applied to this version of the flow.
    case patchNotApplicable(flowID: String, version: Int64, message: String)
    /// The state of a version is not JSON, and the request needs JSON.
    case stateNotJSON(flowID: String, version: Int64, message: String)
    /// The document is not a usable definition; lists its faults.
    case definitionInvalid([DocumentFault], omitted: Int = 0)
    /// The definition is at revision `actual`; 0: there is none.
    case definitionConflict(flowType: String, expected: Int64, actual: Int64)
    /// `revision`: the one asked for; 0: any.
    case definitionNotFound(flowType: String, revision: Int64)
    case quarantinedNotFound(id: String)
    case notificationNotFound(id: String)
    /// InvalidTransitionError: the phase `to` may not follow `from`; `missing`: phases that must be complete first.
    case transitionNotAllowed(from: String, to: String, missing: [String], because: TransitionFault? = nil)
    /// The status may not follow the flow's current one; those in `allowed` may. Empty: the flow has ended.
    case statusNotAllowed(from: String, to: String, allowed: [String])
    /// StateRecoveryError: what was tried, in order.
    case recoveryFailed(flowID: String, tried: [String])
    /// Another holder has the lease that the save carries.
    case leaseLost(flowID: String, holder: String, token: Int64)
    /// `deleted`: it existed and was deleted; its versions stay readable by number.
    case flowNotFound(flowID: String, deleted: Bool)
    /// `selector`: what was asked for, e.g. `version 7` or `label "draft"`.
    case versionNotFound(flowID: String, selector: String)
    /// There is no such upload, or it was given up.
    case uploadNotFound(flowID: String, uploadID: String)
    /// Another call continues the upload.
    case uploadContinued(flowID: String)
    case checkpointNotFound(flowID: String, checkpoint: String)
    case checkpointAlreadyExists(flowID: String, checkpoint: String)
    /// `what`: the field that is too large, e.g. `state`; sizes in bytes.
    case tooLarge(what: String, size: Int, limit: Int)
    /// One more than `limit` may be kept; there are `count`. `what`: the limit's name.
    case tooMany(what: String, count: Int, limit: Int)
    /// More than `limit` flows have the labels that the request names; nothing was applied.
    case tooManyFlows(limit: Int)
    /// The key was used within its retention by a request with other content.
    case idempotencyKeyReused(key: String)
    /// `outcomeUnknown`: the request was sent and never answered, so it may have been applied.
    case databaseUnavailable(message: String, outcomeUnknown: Bool, retryAfterMilliseconds: Int64)
    /// The request takes more steps than allowed (`Limits.work`); nothing was applied.
    case workLimitExceeded(limit: Int)
    /// A watch, or a load that waits, goes on elsewhere, or from its last cursor.
    case watchEnded(String)
    /// Too many operations wait; nothing was applied.
    /// `unit`: what is counted: `operations`, `bytes` that are queued, `memoryUnit`.
    case overloaded(queued: Int, limit: Int, unit: String, retryAfterMilliseconds: Int64)
    case invalidArgument(field: String, message: String)
    /// `outcomeUnknown`: see `databaseUnavailable`.
    case deadlineExceeded(outcomeUnknown: Bool)
    case cancelled
    /// The stored bytes are not the saved ones: their digest differs.
    case dataLoss(flowID: String, version: Int64, message: String)
    /// The credentials do not identify the caller; `message` says what is wrong with them.
    case unauthenticated(message: String)
    /// The caller lacks `scope`.
    case permissionDenied(scope: String)
    /// The request uses something that the API has and this server does not yet.
    case unsupported(field: String, message: String)
    /// A fault of the server itself; the message is for its operator.
    case internalFault(String)

    /// Why no completed phase would make a transition possible.
    package enum TransitionFault: Sendable, Equatable {
        /// The flow has ended; its status, where that is final.
        case ended(status: String?)
        case backward
        /// The definition has no such phase.
        case unknownPhase
    }
}

extension StateError {
    /// Stable, SCREAMING_SNAKE; `ErrorInfo.reason` of the reply.
    package var reason: String {
        switch self {
        case .versionConflict, .labelConflict, .definitionConflict: "VERSION_CONFLICT"
        case .flowAlreadyExists: "FLOW_ALREADY_EXISTS"
        case .stateInvalid: "STATE_INVALID"
        case .patchNotApplicable: "PATCH_NOT_APPLICABLE"
        case .stateNotJSON: "STATE_NOT_JSON"
        case .definitionInvalid: "DEFINITION_INVALID"
        case .definitionNotFound: "DEFINITION_NOT_FOUND"
        case .transitionNotAllowed, .statusNotAllowed: "TRANSITION_NOT_ALLOWED"
        case .quarantinedNotFound: "QUARANTINED_NOT_FOUND"
        case .notificationNotFound: "NOTIFICATION_NOT_FOUND"
        case .recoveryFailed: "RECOVERY_FAILED"
        case .leaseLost: "LEASE_LOST"
        case .flowNotFound: "FLOW_NOT_FOUND"
        case .versionNotFound: "VERSION_NOT_FOUND"
        case .uploadNotFound: "UPLOAD_NOT_FOUND"
        case .uploadContinued: "UPLOAD_CONTINUED"
        case .checkpointNotFound: "CHECKPOINT_NOT_FOUND"
        case .checkpointAlreadyExists: "CHECKPOINT_ALREADY_EXISTS"
        case .tooLarge: "STATE_TOO_LARGE"
        case .tooMany: "LIMIT_EXCEEDED"
        case .tooManyFlows: "TOO_MANY_FLOWS"
        case .idempotencyKeyReused: "IDEMPOTENCY_KEY_REUSED"
        case .databaseUnavailable: "DATABASE_UNAVAILABLE"
        case .watchEnded: "WATCH_ENDED"
        case .workLimitExceeded: "WORK_LIMIT_EXCEEDED"
        case .overloaded: "OVERLOADED"
        case .invalidArgument: "INVALID_REQUEST"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .cancelled: "CANCELLED"
        case .dataLoss: "STATE_CORRUPT"
        case .unauthenticated: "UNAUTHENTICATED"
        case .permissionDenied: "PERMISSION_DENIED"
        case .unsupported: "NOT_SUPPORTED"
        case .internalFault: "INTERNAL"
        }
    }

    /// The unit of `overloaded` when the memory of all requests (`Limits.memoryBytes`) is in use.
    package static let memoryUnit = "bytes of memory"

    /// A flow would have `count` labels, the client's and those that its definition derives from the state together.
    package static func tooManyLabels(_ count: Int, _ limits: Limits) -> StateError {
        let message = "are \(count) with those that the definition takes from the state, the limit is \(limits.labels)"
        return .invalidArgument(field: "labels", message: message)
    }

    /// Whether the error is about the saved content and the flow's rules, rather than about the flow or this attempt.
    package var isOfContent: Bool {
        switch self {
        case .stateInvalid, .transitionNotAllowed, .workLimitExceeded, .invalidArgument: true
        default: false
        }
    }

    /// How long a client should wait before it tries again, when trying again helps.
    package var retryAfterMilliseconds: Int64? {
        switch self {
        case .databaseUnavailable(_, _, let delay), .overloaded(_, _, _, let delay): delay
        case .watchEnded: 0
        default: nil
        }
    }
}
