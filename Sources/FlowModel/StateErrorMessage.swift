import JSON

extension StateError: CustomStringConvertible {
    package var description: String { "\(reason): \(message)" }

    /// What happened and what to do, for people. Quotes no state and no credential.
    package var message: String {
        switch self {
        case .versionConflict(let flowID, let expected, let actual): Self.versionConflict(flowID, expected, actual)
        case .labelConflict(let flowID, let expected, let actual, let version): Self.labelConflict(flowID, expected, actual, version)
        case .flowAlreadyExists(let flowID, let version, let deleted): Self.alreadyExists(flowID, version, deleted)
        case .stateInvalid(let violations):
            "the state was refused: "
                + violations.map { $0.path.isEmpty ? $0.message : "\($0.path): \($0.message)" }.joined(separator: "; ")
        case .patchNotApplicable(let flowID, let version, let message):
            "the patch cannot be applied to version \(version) of flow \"\(flowID)\": \(message); load it and make another patch"
        case .stateNotJSON(let flowID, let version, let message): "version \(version) of flow \"\(flowID)\" is not JSON: \(message)"
        case .definitionInvalid(let faults, let omitted): Self.definitionInvalid(faults, omitted)
        case .definitionConflict(let flowType, let expected, let actual): Self.definitionConflict(flowType, expected, actual)
        case .definitionNotFound(let flowType, let revision): Self.definitionNotFound(flowType, revision)
        case .quarantinedNotFound(let id):
            "nothing with the id \"\(id)\" is in quarantine in this tenant; list the quarantine to see what is there"
        case .notificationNotFound(let id):
            "there is no notification \"\(id)\" in this tenant; list the notifications to see what is there"
        case .transitionNotAllowed(let from, let to, let missing, let fault):
            "a flow in phase \"\(from)\" cannot enter \"\(to)\"" + (fault.map(Self.transitionFault) ?? "")
                + Self.list(missing, after: "; complete first: ")
        case .statusNotAllowed(let from, let to, let allowed):
            "a flow with status \"\(from)\" cannot get \"\(to)\""
                + (allowed.isEmpty ? ": it has ended" : Self.list(allowed, after: "; it may get "))
        case .recoveryFailed(let flowID, let tried):
            "flow \"\(flowID)\" could not be recovered; tried: \(tried.joined(separator: ", "))"
        case .leaseLost(let flowID, let holder, let token):
            "the lease on flow \"\(flowID)\" was lost; "
                + (holder.isEmpty ? "no one has it now" : "\"\(holder)\" holds token \(token)") + "; acquire the lease again and reload"
        case .flowNotFound(let flowID, let deleted): Self.flowNotFound(flowID, deleted)
        case .versionNotFound(let flowID, let selector):
            "flow \"\(flowID)\" has no \(selector); list its versions to see what is there"
        case .checkpointNotFound(let flowID, let checkpoint):
            "flow \"\(flowID)\" has no checkpoint \"\(checkpoint)\"; list its checkpoints to see what is there"
        case .checkpointAlreadyExists(let flowID, let checkpoint):
            "flow \"\(flowID)\" has a checkpoint \"\(checkpoint)\" already; choose another name or delete that one first"
        case .uploadNotFound(let flowID, let uploadID):
            "flow \"\(flowID)\" has no upload \"\(uploadID)\" to resume; begin at offset 0"
        case .uploadContinued(let flowID):
            "another call continues this upload to flow \"\(flowID)\", or it was given up; GetUpload says how far it has come"
        case .tooLarge(let what, let size, let limit): "\(what) is \(size) bytes, the limit is \(limit)"
        case .tooMany(let what, let count, let limit):
            "this tenant has \(count) \(what), the limit is \(limit) (limit \(what)); nothing was applied"
        case .tooManyFlows(let limit):
            "more than \(limit) flows have these labels; nothing was applied: name more labels, or a part of the flows at a time"
        case .idempotencyKeyReused(let key):
            "idempotency key \"\(key)\" was used by a request with other content; use a new key for a new request"
        case .databaseUnavailable(let message, let outcomeUnknown, _): Self.databaseUnavailable(message, outcomeUnknown)
        case .watchEnded(let why): "\(why): watch again, from the last cursor"
        case .workLimitExceeded(let limit):
            "the request takes more than \(limit) steps of work (limit work); nothing was applied: send less at once, or use smaller states"
        case .overloaded(let taken, let limit, Self.memoryUnit, _):
            "the server is overloaded (\(taken) bytes of memory are in use, the limit is \(limit) (limit memory-bytes)); nothing was applied: try again later"
        case .overloaded(let queued, let limit, let unit, _):
            "the server is overloaded (\(queued) \(unit) wait, the limit is \(limit) \(unit)); nothing was applied: try again later"
        case .invalidArgument(let field, let message), .unsupported(let field, let message): "\(field): \(message)"
        case .deadlineExceeded(let outcomeUnknown): Self.deadlineExceeded(outcomeUnknown)
        case .cancelled: "the caller cancelled the request"
        case .dataLoss(let flowID, let version, let message):
            "flow \"\(flowID)\" version \(version) is damaged in the database: \(message); restore another version or the database"
        case .unauthenticated(let message): "the server does not know who calls: \(message)"
        case .permissionDenied(let scope): "the caller does not have the scope \"\(scope)\" that this method needs"
        case .internalFault(let message): "internal fault: \(message)"
        }
    }

    private static func transitionFault(_ fault: TransitionFault) -> String {
        switch fault {
        case .ended(let status): ": it has ended" + (status.map { ", with status \"\($0)\"" } ?? "")
        case .backward: ": that would go back"
        case .unknownPhase: ": the definition has no such phase"
        }
    }

    private static func list(_ names: [String], after text: String) -> String {
        names.isEmpty ? "" : text + names.joined(separator: ", ")
    }

    private static func versionConflict(_ flowID: String, _ expected: Int64, _ actual: Int64) -> String {
        if expected == 0 {
            return
                "flow \"\(flowID)\" must not exist for expected_version 0, but it is at version \(actual); load it and save with expected_version \(actual)"
        }
        if actual == 0 {
            return
                "flow \"\(flowID)\" does not exist, so it is not at version \(expected); check flow_id and tenant, or save with expected_version 0"
        }
        return
            "flow \"\(flowID)\" is at version \(actual), not \(expected): another save came in between; load it, apply your change again and save with expected_version \(actual)"
    }

    private static func labelConflict(_ flowID: String, _ expected: String, _ actual: String, _ version: Int64) -> String {
        if version == 0 {
            return "flow \"\(flowID)\" does not exist, so its latest version has no label \"\(expected)\"; check flow_id and tenant"
        }
        let label = actual.isEmpty ? "no label" : "the label \"\(actual)\""
        return
            "version \(version), the latest of flow \"\(flowID)\", has \(label), not \"\(expected)\": another save came in between; load it and apply your change again"
    }

    private static func alreadyExists(_ flowID: String, _ version: Int64, _ deleted: Bool) -> String {
        deleted
            ? "flow \"\(flowID)\" existed and was deleted; an id is not used twice, choose another flow_id"
            : "flow \"\(flowID)\" exists already at version \(version); choose another flow_id or save to it"
    }

    private static func flowNotFound(_ flowID: String, _ deleted: Bool) -> String {
        deleted
            ? "flow \"\(flowID)\" was deleted and cannot be saved or loaded; its old versions can still be read by number; use a new flow_id, or save it with revive"
            : "flow \"\(flowID)\" does not exist in this tenant; check flow_id and tenant, or create it"
    }

    private static func definitionInvalid(_ faults: [DocumentFault], _ omitted: Int) -> String {
        "the definition was refused: " + faults.map(\.description).joined(separator: "; ")
            + (omitted == 0 ? "" : "; and \(omitted) more faults, which are not listed")
    }

    private static func definitionConflict(_ flowType: String, _ expected: Int64, _ actual: Int64) -> String {
        expected == 0
            ? "the definition of \"\(flowType)\" must not exist for expected_revision 0, but it is at revision \(actual)"
            : "the definition of \"\(flowType)\" is at revision \(actual), not \(expected): get it, apply your change again and put it with expected_revision \(actual)"
    }

    private static func definitionNotFound(_ flowType: String, _ revision: Int64) -> String {
        revision == 0
            ? "there is no definition of \"\(flowType)\" in this tenant; list the definitions to see what is there"
            : "the definition of \"\(flowType)\" has no revision \(revision)"
    }

    private static func databaseUnavailable(_ message: String, _ outcomeUnknown: Bool) -> String {
        let advice =
            outcomeUnknown
            ? "whether the request was applied is unknown: repeat it with its idempotency key, or load and compare"
            : "nothing was applied: try again"
        return "the database is not available (\(message)); \(advice)"
    }

    private static func deadlineExceeded(_ outcomeUnknown: Bool) -> String {
        outcomeUnknown
            ? "the deadline passed while the request ran; whether it was applied is unknown: repeat it with its idempotency key, or load and compare"
            : "the deadline passed before the request was applied; allow more time"
    }
}
