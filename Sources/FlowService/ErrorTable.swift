import FlowModel
import GRPC
import Protobuf
import WireMessages

/// The one table from `StateError` to what goes over the wire: a code, the message, and
/// `google.rpc.Status` details with an `ErrorInfo` (domain `flowstate`) and a typed detail.
enum ErrorTable {
    static let domain = "flowstate"

    static func status(_ error: StateError) -> Status {
        let code = code(error)
        var details = [AnyMessage(packing: ErrorInfo(reason: error.reason, domain: domain, metadata: metadata(error)))]
        if let detail = detail(error) { details.append(detail) }
        if let milliseconds = error.retryAfterMilliseconds {
            details.append(AnyMessage(packing: RetryInfo(retryDelay: .milliseconds(milliseconds))))
        }
        let full = RPCStatus(code: Int32(code.rawValue), message: error.message, details: details)
        return Status(code, error.message, details: full.encoded())
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
        case .tooLarge, .overloaded: .resourceExhausted
        case .databaseUnavailable: .unavailable
        case .deadlineExceeded: .deadlineExceeded
        case .cancelled: .cancelled
        case .dataLoss: .dataLoss
        case .unsupported: .unimplemented
        case .internalFault: .internal
        }
    }

    private static func detail(_ error: StateError) -> AnyMessage? {
        switch error {
        case .versionConflict(_, let expected, let actual):
            AnyMessage(packing: VersionConflict(expected: expected, actual: actual))
        case .flowAlreadyExists(_, let version, _):
            AnyMessage(packing: VersionConflict(expected: 0, actual: version))
        case .stateInvalid(let violations):
            AnyMessage(packing: StateInvalid(violations: violations.map(\.wire)))
        case .definitionInvalid(let faults):
            AnyMessage(
                packing: DefinitionInvalid(faults: faults.map { WireMessages.DefinitionFault(path: $0.path, message: $0.message) }))
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
