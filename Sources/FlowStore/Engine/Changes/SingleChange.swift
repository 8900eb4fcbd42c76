import FlowModel
import JSON
import Postgres

/// A change with a statement of its own, which returns one row whatever happened (`ChangeSQL`).
struct SingleChange {
    /// Its position in the transaction.
    enum Place {
        /// It is alone in the transaction.
        case alone
        /// Before all changes of existing flows: it may only create its flow.
        case creating
        /// The first change of an existing flow. To wait for a flow that is being created would break the lock order.
        case first
        /// Behind `HeadLock`.
        case held
    }

    let statement: Statement
    let parameters: Parameters
    let place: Place
    let decode: @Sendable (ResultRows) throws(PostgresError) -> Answer

    init(_ single: Change.SingleStatement, _ place: Place) {
        statement = place == .held ? single.statement : single.first ?? single.statement
        parameters = single.parameters
        self.place = place
        decode = single.decode
    }

    /// - Parameter isShort: `SaveSQL.short` is tried; if it writes nothing, the save is retried.
    init(_ save: SaveChange, _ place: Place, stored: StoredState, isShort: Bool, limits: Limits) {
        self.place = place
        let command = save.command
        let isIdempotent = command.idempotencyKey != nil
        statement =
            isShort
            ? SaveSQL.short
            : command.quarantine == nil && command.notification == nil
                ? SaveSQL.statement(
                    command.head(place), idempotent: isIdempotent, checkpoint: command.checkpoint != nil,
                    writes: !command.writes.isEmpty)
                : SaveSQL.noting(
                    held: place == .held, idempotent: isIdempotent, quarantines: command.quarantine != nil,
                    notifies: command.notification != nil)
        parameters = command.parameters(save, stored, limits)
        let interpreter = command.interpreter(requestDigest: save.requestDigest, limits)
        decode = { rows throws(PostgresError) in isShort && rows.count == 0 ? .retry : try interpreter.answer(rows) }
    }
}

extension SaveCommand {
    fileprivate func head(_ place: SingleChange.Place) -> SaveSQL.Head {
        if revives { return .revive }
        return switch place {
        case .creating: .create
        case .first: .update
        case .held: .updateHeld
        case .alone:
            switch precondition {
            case .expected(0): .create
            case .expected: .update
            case .none, .anyVersion: parentVersion == nil && leaseToken == nil ? .append : .update
            case .expectedLabel: .update
            }
        }
    }

    fileprivate func parameters(_ save: SaveChange, _ stored: StoredState, _ limits: Limits) -> Parameters {
        var parameters = SaveParameters.single(SaveHead(self, base: stored.base), SaveRow(save, stored), labelLimit: limits.labels)
        if let checkpoint {
            parameters.append(checkpoint.id)
            parameters.append(checkpoint.name)
            parameters.append(checkpoint.description)
            parameters.append(Int64(checkpoint.isOfVersionBefore ? 1 : 0))
        }
        if !writes.isEmpty { WriteRow.append(writes.merged(), to: &parameters) }
        if let quarantine {
            parameters.append(quarantine.id)
            parameters.append(quarantine.reason)
            parameters.append(bytes: Array(quarantine.violationsText.utf8))
        }
        if let notification { parameters.append(notification) }
        return parameters
    }

    func interpreter(requestDigest: [UInt8], _ limits: Limits) -> ResultInterpreter {
        let flowID = key.flowID
        let expected = precondition.expectedVersion
        let isCreate = kind == .created
        let expectedLabel = precondition.expectedLabel
        let (flowType, parentVersion, checkpointName, leaseToken, revives, isOverdue) = (
            flowType, parentVersion, checkpoint?.name, leaseToken, revives, overdue != nil
        )
        return ResultInterpreter(
            flowID: flowID, expected: expected, expectedLabel: expectedLabel, idempotencyKey: idempotencyKey,
            requestDigest: requestDigest, needsFlow: expected == nil && parentVersion != nil || leaseToken != nil
        ) { flow in
            // It is not deleted, or not any more.
            if revives { return flow.isDeleted ? nil : .flowAlreadyExists(flowID: flowID, version: flow.version, deleted: false) }
            if isCreate { return .flowAlreadyExists(flowID: flowID, version: flow.version, deleted: flow.isDeleted) }
            if let error = ResultInterpreter.commonRefusal(flow, flowID: flowID, expected: expected, leaseToken: leaseToken) {
                return error
            }
            // It was reported, or the flow has moved on.
            if isOverdue { return .versionConflict(flowID: flowID, expected: expected ?? 0, actual: flow.version) }
            if let expectedLabel, !(flow.label ?? "").hasSameBytes(as: expectedLabel) {
                return .labelConflict(flowID: flowID, expected: expectedLabel, actual: flow.label ?? "", version: flow.version)
            }
            if let flowType, !flowType.utf8.elementsEqual(flow.flowType.utf8) {
                return .invalidArgument(
                    field: "flow_type",
                    message: "is \"\(flowType)\", but the flow is of type \"\(flow.flowType)\"; leave it empty or send that one")
            }
            if let parentVersion, parentVersion > flow.version {
                return .invalidArgument(
                    field: "parent_version", message: "is \(parentVersion), but the flow is at version \(flow.version)")
            }
            if flow.isBlocked, let checkpointName {
                return .checkpointAlreadyExists(flowID: flowID, checkpoint: checkpointName)
            }
            return ResultInterpreter.labelRefusal(flow, limits)
        }
    }
}

/// The frame of every change of a flow: one statement that compares and increments the head, inserts the version, stores the idempotency
/// record, and returns one row whatever happened.
///
///     WITH idem AS (the record of this idempotency key, if there is one),
///          …,                                     what the change looks up first
///          head AS (INSERT or UPDATE of flow, RETURNING),  empty when the change must not be made
///          ver  AS (INSERT INTO flow_version … FROM head),
///          kept AS (INSERT INTO idempotency … FROM head),
///          …                                      what else is written FROM head
///     SELECT 1 … FROM head                        written
///     UNION ALL SELECT 2 … FROM idem              the key was used before
///     UNION ALL SELECT 3 … FROM flow              not written: the current head
///
/// Why this is right with many sessions (PostgreSQL manual, 13.2.1, READ COMMITTED): an UPDATE that meets a row that another transaction is
/// changing waits, and then evaluates its WHERE again on the row as that transaction left it. So of two changes that expect version 5 one
/// updates and the other finds 6 and updates nothing. Everything else in the statement still sees the snapshot from before, so row 3 may
/// show version 5 to the loser, or (when both create the flow) there may be no row at all. Such a result contradicts itself and is decoded
/// as `retry`: the change is submitted again, and its new snapshot shows what happened. When two sessions race with one idempotency key,
/// the second INSERT into `idempotency` waits and then fails (23505); the module Postgres runs the operation again, alone, and it finds
/// `idem`. In a batch, which is one transaction, each statement sees what those before it wrote.
struct ChangeSQL {
    /// The position of the idempotency key's parameter; the request's digest is the next one. nil: the change has no key.
    var keyParameter: Int?
    /// CTEs in front of `head`.
    var lookups: [String] = []
    /// Must end its WHERE with `guardCondition` and return `version` and `updated_at`.
    var head: String
    /// `INSERT INTO flowstate.flow_version …`, FROM head.
    var version: String
    /// CTEs behind it and the idempotency record.
    var additions: [String] = []
    /// Expressions over `head` (as h) for the answer and the idempotency record.
    var digest: String
    var checkpointID = "NULL::text"
    var restoredVersion = "NULL::bigint"
    /// The change of the labels of the flow `f`, if they are merged.
    var labels: LabelSQL?
    /// The label of the latest version of the flow `f`, if the change may expect one.
    var latestLabel = "NULL"
    /// Whether a look-up forbids the change; a boolean expression without `head`.
    var blocked = "false"
    /// The tables from which row 1 and the record are read.
    var source = "head h"

    static let written: Int16 = 1
    static let replayed: Int16 = 2
    static let current: Int16 = 3

    /// For the WHERE of `head`: writes nothing when the key was used.
    static func guardCondition(idempotent: Bool) -> String {
        idempotent ? "AND NOT EXISTS (SELECT FROM idem)" : ""
    }

    /// The row of a flow that was not changed.
    var refusal: String {
        """
        SELECT \(Self.current)::smallint, f.version, f.updated_at, f.deleted_at IS NOT NULL, f.flow_type, \(blocked), NULL::text, NULL::bytea,
            NULL::bytea, NULL::text, (\(labels?.excess ?? "NULL"))::bigint, \(LeaseSQL.current), f.lease_holder IS NOT NULL, \(latestLabel)
        FROM flowstate.flow f
        WHERE f.tenant = $1 AND f.flow_id = $2
        """
    }

    var text: String {
        var ctes: [String] = []
        if let keyParameter {
            ctes.append("idem AS (SELECT * FROM flowstate.idempotency WHERE tenant = $1 AND key = $\(keyParameter))")
        }
        ctes += lookups
        ctes.append("head AS (\(head))")
        ctes.append("ver AS (\(version))")
        if let keyParameter {
            ctes.append(
                """
                kept AS (INSERT INTO flowstate.idempotency (tenant, key, request_digest, flow_id, version, version_created_at,
                    state_digest, checkpoint_id, restored_version)
                    SELECT $1, $\(keyParameter), $\(keyParameter + 1), $2, h.version, h.updated_at, \(digest), \(checkpointID), \(restoredVersion)
                    FROM \(source))
                """)
        }
        ctes += additions
        var answers = [
            """
            SELECT \(Self.written)::smallint, h.version, h.updated_at, NULL::boolean, NULL::text, NULL::boolean, NULL::text, NULL::bytea,
                \(digest), \(checkpointID), \(restoredVersion), NULL::bigint, NULL::text, NULL::boolean, NULL::text FROM \(source)
            """
        ]
        if keyParameter != nil {
            answers.append(
                """
                SELECT \(Self.replayed)::smallint, i.version, i.version_created_at, NULL, NULL, NULL, i.flow_id, i.request_digest,
                    i.state_digest, i.checkpoint_id, i.restored_version, NULL, NULL, NULL, NULL FROM idem i
                """)
        }
        answers.append(
            """
            \(refusal) AND NOT EXISTS (SELECT FROM head)
            """ + (keyParameter == nil ? "" : " AND NOT EXISTS (SELECT FROM idem)"))
        return "WITH " + ctes.joined(separator: ",\n") + "\n" + answers.joined(separator: "\nUNION ALL\n")
    }
}

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
        /// The token of the flow's last lease, and who has the lease now.
        var leaseToken: Int64?
        var leaseHolder: String?
        /// The label of the version, if the change may expect one.
        var label: String?
        /// Whether a save with the last token may still be made.
        var isLeased: Bool
    }

    init(_ rows: ResultRows) throws(PostgresError) {
        guard rows.count > 0 else {
            self = .absent
            return
        }
        let version = try rows.int64(0, 1)
        let at = Timestamp(microseconds: try rows.timestamp(0, 2))
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
                    excessLabels: try rows.int64IfPresent(0, 10), leaseToken: try rows.int64IfPresent(0, 11),
                    leaseHolder: try rows.textIfPresent(0, 12), label: try rows.textIfPresent(0, 14), isLeased: try rows.bool(0, 13)))
        default: throw .protocolViolation("a change answered \(outcome)")
        }
    }
}

/// Interprets the result of a change.
struct ResultInterpreter: Sendable {
    var flowID: String
    var expected: FlowVersion?
    var expectedLabel: String?
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
            if let expectedLabel { return .refused(.labelConflict(flowID: flowID, expected: expectedLabel, actual: "", version: 0)) }
            if needsFlow { return .refused(.flowNotFound(flowID: flowID, deleted: false)) }
            if let expected, expected > 0 {
                return .refused(.versionConflict(flowID: flowID, expected: expected, actual: 0))
            }
            return .retry
        }
    }

    /// The refusals that every change may get.
    static func commonRefusal(
        _ flow: ChangeRow.CurrentHead, flowID: String, expected: FlowVersion?, leaseToken: Int64? = nil
    ) -> StateError? {
        if flow.isDeleted { return .flowNotFound(flowID: flowID, deleted: true) }
        if let leaseToken, leaseToken != flow.leaseToken || !flow.isLeased {
            return .leaseLost(flowID: flowID, holder: flow.leaseHolder ?? "", token: flow.leaseToken ?? 0)
        }
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

    var expectedLabel: String? {
        guard case .expectedLabel(let label) = self else { return nil }
        return label
    }

    /// Whether the flow may exist or not.
    var mayBeAbsent: Bool {
        switch self {
        case .none, .anyVersion: true
        case .expected, .expectedLabel: false
        }
    }
}
