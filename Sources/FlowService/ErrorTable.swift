import FlowModel
import GRPC
import Protobuf
import WireMessages

/// The one table from `StateError` to what goes over the wire: a code, the message, and
/// `google.rpc.Status` details with an `ErrorInfo` (domain `flowstate`) and a typed detail.
enum ErrorTable {
    static let domain = "flowstate"

    static func status(_ error: StateError) -> Status {
        var listed = Int.max
        while true {
            let status = status(error, listing: listed)
            let count = count(error)
            if status.details.count <= Status.maxDetailsBytes || count == 0 || listed == 0 { return status }
            // Fewer, by how much too long it is.
            listed = min(listed, count) * Status.maxDetailsBytes / (status.details.count + 1)
        }
    }

    /// - Parameter listed: of long lists, so many at most.
    private static func status(_ error: StateError, listing listed: Int) -> Status {
        let (code, message) = (code(error), Status.short(error.message))
        var details = [AnyMessage(packing: ErrorInfo(reason: error.reason, domain: domain, metadata: metadata(error)))]
        if let detail = detail(error, listing: listed) { details.append(detail) }
        if let milliseconds = error.retryAfterMilliseconds {
            details.append(AnyMessage(packing: RetryInfo(retryDelay: .milliseconds(milliseconds))))
        }
        return Status(code, message, details: RPCStatus(code: Int32(code.rawValue), message: message, details: details).encoded())
    }

    /// How long the list is that the detail of an error holds.
    private static func count(_ error: StateError) -> Int {
        switch error {
        case .stateInvalid(let violations): violations.count
        case .definitionInvalid(let faults): faults.count
        default: 0
        }
    }

    private static func code(_ error: StateError) -> StatusCode {
        switch error {
        case .versionConflict, .definitionConflict: .aborted
        case .flowAlreadyExists, .checkpointAlreadyExists: .alreadyExists
        case .stateInvalid, .definitionInvalid, .idempotencyKeyReused, .invalidArgument: .invalidArgument
        case .patchNotApplicable, .transitionNotAllowed, .statusNotAllowed, .recoveryFailed, .leaseLost: .failedPrecondition
        case .flowNotFound, .versionNotFound, .checkpointNotFound, .definitionNotFound, .quarantinedNotFound,
            .notificationNotFound:
            .notFound
        case .tooLarge, .workLimitExceeded, .overloaded: .resourceExhausted
        case .databaseUnavailable: .unavailable
        case .deadlineExceeded: .deadlineExceeded
        case .cancelled: .cancelled
        case .dataLoss: .dataLoss
        case .unsupported: .unimplemented
        case .internalFault: .internal
        }
    }

    private static func detail(_ error: StateError, listing listed: Int) -> AnyMessage? {
        switch error {
        case .versionConflict(_, let expected, let actual):
            AnyMessage(packing: VersionConflict(expected: expected, actual: actual))
        case .flowAlreadyExists(_, let version, _):
            AnyMessage(packing: VersionConflict(expected: 0, actual: version))
        case .stateInvalid(let violations):
            AnyMessage(
                packing: StateInvalid(
                    violations: violations.prefix(listed).map(\.wire), omitted: Int32(clamping: max(0, violations.count - listed))))
        case .definitionInvalid(let faults):
            AnyMessage(
                packing: DefinitionInvalid(
                    faults: faults.prefix(listed).map { WireMessages.DefinitionFault(path: $0.path, message: $0.message) },
                    omitted: Int32(clamping: max(0, faults.count - listed))))
        case .definitionConflict(_, let expected, let actual):
            AnyMessage(packing: VersionConflict(expected: expected, actual: actual))
        case .transitionNotAllowed(let from, let to, let missing):
            AnyMessage(packing: TransitionNotAllowed(from: from, to: to, missing: missing))
        case .statusNotAllowed(let from, let to, _):
            AnyMessage(packing: TransitionNotAllowed(from: from, to: to))
        case .recoveryFailed(_, let tried):
            AnyMessage(packing: RecoveryFailed(tried: tried.map { RecoveryStep(action: $0) }))
        case .leaseLost(_, let holder, let token):
            AnyMessage(packing: LeaseLost(holder: holder, token: token))
        case .tooLarge(_, let size, let limit):
            AnyMessage(packing: TooLarge(limit: Int64(limit), size: Int64(size)))
        case .invalidArgument(let field, let message), .unsupported(let field, let message):
            AnyMessage(
                packing: BadRequest(fieldViolations: [BadRequestFieldViolation(field: field, description: message)]))
        default: nil
        }
    }

    private static func metadata(_ error: StateError) -> StringMap {
        switch error {
        case .versionConflict(let flowID, _, _), .flowAlreadyExists(let flowID, _, _),
            .flowNotFound(let flowID, _), .versionNotFound(let flowID, _), .checkpointNotFound(let flowID, _),
            .checkpointAlreadyExists(let flowID, _), .leaseLost(let flowID, _, _), .recoveryFailed(let flowID, _):
            ["flow_id": flowID]
        case .definitionConflict(let flowType, _, _), .definitionNotFound(let flowType, _): ["flow_type": flowType]
        case .dataLoss(let flowID, let version, _), .patchNotApplicable(let flowID, let version, _):
            ["flow_id": flowID, "version": String(version)]
        default: [:]
        }
    }
}

extension StateError.Violation {
    var wire: Violation { Violation(path: path, rule: rule, message: message) }
}
