import FlowModel
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
                ? SaveSQL.statement(command.head(place), idempotent: isIdempotent, checkpoint: command.checkpoint != nil)
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
        switch place {
        case .creating: .create
        case .first: .update
        case .held: .updateHeld
        case .alone:
            switch precondition {
            case .expected(0): .create
            case .expected: .update
            case .none, .anyVersion: parentVersion == nil ? .append : .update
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
        let (flowType, parentVersion, checkpointName) = (flowType, parentVersion, checkpoint?.name)
        return ResultInterpreter(
            flowID: flowID, expected: expected, idempotencyKey: idempotencyKey, requestDigest: requestDigest,
            needsFlow: expected == nil && parentVersion != nil
        ) { flow in
            if isCreate { return .flowAlreadyExists(flowID: flowID, version: flow.version, deleted: flow.isDeleted) }
            if let error = ResultInterpreter.commonRefusal(flow, flowID: flowID, expected: expected) { return error }
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
