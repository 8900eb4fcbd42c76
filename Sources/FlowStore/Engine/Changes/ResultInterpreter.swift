import FlowModel
import Postgres

/// The one row of a `ChangeSQL` statement, decoded.
enum ChangeRow {
    case written(version: FlowVersion, at: Timestamp, digest: [UInt8], checkpointID: String?, restoredVersion: FlowVersion?)
    /// Another request, or an earlier try of this one, used the idempotency key.
    case recorded(requestDigest: [UInt8], SavedVersion)
    /// Nothing was written; the head in the statement's snapshot.
    case current(CurrentHead)
    /// Nothing was written, and the flow is not in the snapshot.
    case absent

    struct CurrentHead {
        var version: FlowVersion
        var isDeleted: Bool
        var flowType: String
        /// See `ChangeSQL.blocked`.
        var isBlocked: Bool
        /// The number of labels that the flow would have; nil: it may have so many.
        var excessLabels: Int64?
    }

    init(_ rows: ResultRows) throws(PostgresError) {
        guard rows.count > 0 else {
            self = .absent
            return
        }
        let version = try rows.int64(0, 1)
        let at = try FlowRow.time(rows, 0, 2)
        let outcome = try rows.int16(0, 0)
        switch outcome {
        case ChangeSQL.written:
            self = .written(
                version: version, at: at, digest: try rows.bytes(0, 8), checkpointID: try rows.textIfPresent(0, 9),
                restoredVersion: try rows.int64IfPresent(0, 10))
        case ChangeSQL.replayed:
            let saved = SavedVersion(
                flowID: try rows.text(0, 6), version: version, createdAt: at, digest: try rows.bytes(0, 8),
                checkpointID: try rows.textIfPresent(0, 9), restoredVersion: try rows.int64IfPresent(0, 10), replayed: true)
            self = .recorded(requestDigest: try rows.bytes(0, 7), saved)
        case ChangeSQL.current:
            self = .current(
                CurrentHead(
                    version: version, isDeleted: try rows.bool(0, 3), flowType: try rows.text(0, 4), isBlocked: try rows.bool(0, 5),
                    excessLabels: try rows.int64IfPresent(0, 10)))
        default: throw .protocolViolation("a change answered \(outcome)")
        }
    }
}

/// Interprets the result of a change.
struct ResultInterpreter: Sendable {
    var flowID: String
    var expected: FlowVersion?
    var idempotencyKey: String?
    var requestDigest: [UInt8]
    /// The flow must exist, as for changes other than saves.
    var needsFlow: Bool
    /// Why the flow was not changed; nil: this snapshot shows no reason, so another change was committed in between, and this one is
    /// retried.
    var refusal: @Sendable (ChangeRow.CurrentHead) -> StateError?

    func answer(_ rows: ResultRows) throws(PostgresError) -> Answer {
        switch try ChangeRow(rows) {
        case .written(let version, let at, let digest, let checkpointID, let restoredVersion):
            return .done(
                .saved(
                    SavedVersion(
                        flowID: flowID, version: version, createdAt: at, digest: digest, checkpointID: checkpointID,
                        restoredVersion: restoredVersion)))
        case .recorded(let recordedDigest, let saved):
            return recordedDigest == requestDigest ? .done(.saved(saved)) : .refused(.idempotencyKeyReused(key: idempotencyKey ?? ""))
        case .current(let flow):
            if let error = refusal(flow) { return .refused(error) }
            return .retry
        case .absent:
            if needsFlow { return .refused(.flowNotFound(flowID: flowID, deleted: false)) }
            if let expected, expected > 0 {
                return .refused(.versionConflict(flowID: flowID, expected: expected, actual: 0))
            }
            return .retry
        }
    }

    /// The refusals that every change may get.
    static func commonRefusal(_ flow: ChangeRow.CurrentHead, flowID: String, expected: FlowVersion?) -> StateError? {
        if flow.isDeleted { return .flowNotFound(flowID: flowID, deleted: true) }
        if let expected, flow.version != expected {
            return .versionConflict(flowID: flowID, expected: expected, actual: flow.version)
        }
        return nil
    }

    /// The refusal of changes that merge labels (`LabelSQL`).
    static func labelRefusal(_ flow: ChangeRow.CurrentHead, _ limits: Limits) -> StateError? {
        flow.excessLabels.map { .tooManyLabels(Int(clamping: $0), limits) }
    }
}

extension Precondition {
    var expectedVersion: FlowVersion? {
        guard case .expected(let version) = self else { return nil }
        return version
    }
}
