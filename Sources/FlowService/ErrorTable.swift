import FlowModel
import GRPC
import JSON
import Protobuf
import WireMessages

/// The one table from `StateError` to what goes over the wire: a code, the message, and
/// `google.rpc.Status` details with an `ErrorInfo` (domain `flowstate`) and a typed detail.
package enum ErrorTable {
    static let domain = "flowstate"

    static func status(_ error: StateError) -> Status {
        status(code(error), error.message, error.reason, metadata(error), retryAfter: error.retryAfterMilliseconds) { detail(error, &$0) }
    }

    /// A request that cannot be decoded.
    /// - Parameter type: the full name of the message that it should be.
    static func status(_ error: WireError, of type: String) -> Status {
        let plain = Status(error, type: type)
        func badRequest(_ field: String) -> Status {
            status(plain.code, plain.message, "INVALID_REQUEST") { _ in badField(field, plain.message) }
        }
        return switch error {
        case .malformed: badRequest("")
        case .invalidUTF8(let field), .invalidDuration(let field): badRequest(field)
        case .tooMuchMemory(let limit):
            status(plain.code, plain.message, "STATE_TOO_LARGE") { _ in
                // Decoding stopped at the limit.
                AnyMessage(packing: TooLarge(limit: Int64(limit), size: Int64(limit)))
            }
        }
    }

    /// Adds the reason and the detail, by its code, to a status with which the transport refuses a call by itself. Other statuses stay as
    /// they are.
    package static func completed(_ status: Status) -> Status {
        let (code, message) = (status.code, status.message)
        switch (code, status.refusal) {
        case (.resourceExhausted, .tooLarge(let size, let limit)):
            return Self.status(code, message, "STATE_TOO_LARGE") { _ in
                AnyMessage(packing: TooLarge(limit: Int64(limit), size: Int64(size)))
            }
        case (.resourceExhausted, .overloaded): return Self.status(code, message, "OVERLOADED", retryAfter: 100) { _ in nil }
        case (.unimplemented, _): return Self.status(code, message, "NOT_SUPPORTED") { _ in badField("", message) }
        case (.invalidArgument, _): return Self.status(code, message, "INVALID_REQUEST") { _ in badField("", message) }
        case (.deadlineExceeded, _): return Self.status(code, message, "DEADLINE_EXCEEDED") { _ in nil }
        case (.cancelled, _): return Self.status(code, message, "CANCELLED") { _ in nil }
        case (.internal, _): return Self.status(code, message, "INTERNAL") { _ in nil }
        default: return status
        }
    }

    private static func status(
        _ code: StatusCode, _ message: String, _ reason: String, _ metadata: StringMap = .empty, retryAfter: Int64? = nil,
        _ detail: (inout DetailRoom) -> AnyMessage?
    ) -> Status {
        let message = Status.short(message)
        let info = ErrorInfo(reason: reason, domain: domain, metadata: metadata)
        var status = RPCStatus(code: Int32(code.rawValue), message: message, details: [AnyMessage(packing: info)])
        if let retryAfter {
            status.details.append(AnyMessage(packing: RetryInfo(retryDelay: .milliseconds(retryAfter))))
        }
        var room = DetailRoom(beside: status)
        if let detail = detail(&room) { status.details.insert(detail, at: 1) }
        return Status(code, message, details: status.encoded(), retryPushback: retryAfter)
    }

    /// The error of a part of a request of which other parts may succeed.
    static func failure(_ error: StateError) -> Failure {
        let status = status(error)
        let details = (try? RPCStatus.decode(status.details))?.details ?? []
        return Failure(code: Int32(status.code.rawValue), reason: error.reason, message: status.message, details: details)
    }

    private static func code(_ error: StateError) -> StatusCode {
        switch error {
        case .versionConflict, .labelConflict, .definitionConflict, .uploadContinued: .aborted
        case .flowAlreadyExists, .checkpointAlreadyExists: .alreadyExists
        case .stateInvalid, .definitionInvalid, .idempotencyKeyReused, .invalidArgument: .invalidArgument
        case .patchNotApplicable, .stateNotJSON, .transitionNotAllowed, .statusNotAllowed, .recoveryFailed, .leaseLost,
            .tooManyFlows:
            .failedPrecondition
        case .flowNotFound, .versionNotFound, .checkpointNotFound, .definitionNotFound, .quarantinedNotFound,
            .notificationNotFound, .uploadNotFound:
            .notFound
        case .tooLarge, .tooMany, .workLimitExceeded, .overloaded: .resourceExhausted
        case .databaseUnavailable, .watchEnded: .unavailable
        case .deadlineExceeded: .deadlineExceeded
        case .cancelled: .cancelled
        case .dataLoss: .dataLoss
        case .unauthenticated: .unauthenticated
        case .permissionDenied: .permissionDenied
        case .unsupported: .unimplemented
        case .internalFault: .internal
        }
    }

    private static func detail(_ error: StateError, _ room: inout DetailRoom) -> AnyMessage? {
        switch error {
        case .versionConflict(_, let expected, let actual):
            AnyMessage(packing: VersionConflict(expected: expected, actual: actual))
        case .labelConflict(_, let expected, let actual, let version):
            AnyMessage(
                packing: VersionConflict(
                    actual: version, expectedLabel: DetailRoom.name(expected), actualLabel: DetailRoom.name(actual)))
        case .flowAlreadyExists(_, let version, _):
            AnyMessage(packing: VersionConflict(expected: 0, actual: version))
        case .stateInvalid(let violations):
            packed(room.list(violations) { $0.short }) { StateInvalid(violations: $0, omitted: $1) }
        case .definitionInvalid(let faults, let unlisted):
            packed(room.list(faults) { $0.short }) { listed, omitted in
                DefinitionInvalid(faults: listed, omitted: Int32(clamping: Int(omitted) + unlisted))
            }
        case .definitionConflict(_, let expected, let actual):
            AnyMessage(packing: VersionConflict(expected: expected, actual: actual))
        case .transitionNotAllowed(let from, let to, let missing, _):
            AnyMessage(packing: transition(from, to, missing, &room))
        case .statusNotAllowed(let from, let to, _):
            AnyMessage(packing: transition(from, to, [], &room))
        case .recoveryFailed(_, let tried):
            packed(room.list(tried) { RecoveryStep(action: DetailRoom.text($0)) }) { RecoveryFailed(tried: $0, omitted: $1) }
        case .leaseLost(_, let holder, let token):
            AnyMessage(packing: LeaseLost(holder: DetailRoom.name(holder), token: token))
        case .tooLarge(_, let size, let limit):
            AnyMessage(packing: TooLarge(limit: Int64(limit), size: Int64(size)))
        case .tooMany(let what, let count, let limit):
            AnyMessage(packing: LimitExceeded(limit: Int64(limit), count: Int64(count), name: DetailRoom.name(what)))
        case .invalidArgument(let field, let message), .unsupported(let field, let message):
            badField(field, message)
        case .patchNotApplicable, .stateNotJSON, .definitionNotFound, .quarantinedNotFound, .notificationNotFound, .flowNotFound,
            .versionNotFound, .checkpointNotFound, .checkpointAlreadyExists, .idempotencyKeyReused, .databaseUnavailable, .watchEnded,
            .tooManyFlows, .workLimitExceeded, .overloaded, .deadlineExceeded, .cancelled, .dataLoss, .unauthenticated, .permissionDenied,
            .uploadNotFound, .uploadContinued, .internalFault:
            nil
        }
    }

    private static func badField(_ field: String, _ message: String) -> AnyMessage {
        AnyMessage(
            packing: BadRequest(fieldViolations: [
                BadRequestFieldViolation(field: DetailRoom.name(field), description: DetailRoom.text(message))
            ]))
    }

    private static func packed<Element>(
        _ list: (kept: [Element], omitted: Int32), _ message: ([Element], Int32) -> some WireMessage
    ) -> AnyMessage {
        AnyMessage(packing: message(list.kept, list.omitted))
    }

    private static func transition(_ from: String, _ to: String, _ missing: [String], _ room: inout DetailRoom) -> TransitionNotAllowed {
        var detail = TransitionNotAllowed(from: DetailRoom.name(from), to: DetailRoom.name(to))
        room.take(detail)
        (detail.missing, detail.omitted) = room.list(missing)
        return detail
    }

    private static func metadata(_ error: StateError) -> StringMap {
        StringMap(names(error).map { StringMap.Element(key: $0.key, value: DetailRoom.name($0.value)) })
    }

    /// The names of what the error is about, not shortened.
    private static func names(_ error: StateError) -> StringMap {
        switch error {
        case .versionConflict(let flowID, _, _), .labelConflict(let flowID, _, _, _), .flowAlreadyExists(let flowID, _, _),
            .flowNotFound(let flowID, _), .versionNotFound(let flowID, _), .checkpointNotFound(let flowID, _),
            .checkpointAlreadyExists(let flowID, _), .leaseLost(let flowID, _, _), .recoveryFailed(let flowID, _),
            .uploadNotFound(let flowID, _), .uploadContinued(let flowID):
            ["flow_id": flowID]
        case .definitionConflict(let flowType, _, _), .definitionNotFound(let flowType, _): ["flow_type": flowType]
        case .dataLoss(let flowID, let version, _), .patchNotApplicable(let flowID, let version, _),
            .stateNotJSON(let flowID, let version, _):
            ["flow_id": flowID, "version": String(version)]
        case .permissionDenied(let scope): ["scope": scope]
        case .stateInvalid, .definitionInvalid, .quarantinedNotFound, .notificationNotFound, .transitionNotAllowed, .statusNotAllowed,
            .tooLarge, .tooMany, .tooManyFlows, .idempotencyKeyReused, .databaseUnavailable, .watchEnded, .workLimitExceeded, .overloaded,
            .invalidArgument, .deadlineExceeded, .cancelled, .unauthenticated, .unsupported, .internalFault:
            [:]
        }
    }
}

extension JSON.Violation {
    var wire: WireMessages.Violation { WireMessages.Violation(path: path, rule: rule, message: message) }

    fileprivate var short: WireMessages.Violation {
        WireMessages.Violation(path: DetailRoom.text(path), rule: DetailRoom.name(rule), message: DetailRoom.text(message))
    }
}

extension DocumentFault {
    fileprivate var short: DefinitionFault {
        DefinitionFault(path: DetailRoom.text(path), message: DetailRoom.text(message))
    }
}
