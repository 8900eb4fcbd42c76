import FlowModel
import Postgres

/// A save whose state is derived from the latest version: loads that, derives the next one, and saves it with the loaded version expected.
/// If another save comes in between, everything is repeated, unless the client named the version. If the latest version is broken, and the
/// policy of the flow's type says so, the flow is recovered, and everything is repeated, once; a client that named the broken version is told
/// by a conflict, since its change was made for another state.
///
/// `Extra` is what else the derivation found out for the answer: after the commit nothing may fail any more.
struct DerivedSave<Extra: Sendable>: Sendable {
    enum Outcome: Sendable {
        /// The saved version, its command, the version before, and the id of the recovery that came before; empty: none.
        case saved(SavedVersion, SaveCommand, after: Snapshot, Extra, recoveryID: String)
        /// The idempotency key was used before: the first answer.
        case replayed(SavedVersion)
    }

    typealias Completion = @Sendable (Result<Outcome, StateError>) -> Void

    let key: FlowKey
    let precondition: Precondition
    let idempotencyKey: String?
    /// Identifies the request beside its key: the derived state differs from version to version, the request does not.
    let requestDigest: [UInt8]
    /// The trigger for the recovery policy when the latest version is broken.
    let trigger: RecoveryTrigger
    /// Whether `derive` needs the definition of the flow's type.
    let needsDefinition: Bool
    /// What `derive` reads beside the state.
    let input: [UInt8]
    /// Derives the next version; the caller sets its precondition, key and digest. Pure; may run on any thread, and twice.
    let derive: @Sendable (Snapshot, FlowDefinition?, WorkBudget) throws(StateError) -> (SaveCommand, Extra)

    func submit(to store: StateStore, _ context: OperationContext, _ completion: @escaping Completion) throws(StateError) {
        try StateCheck(limits: store.limits).checkExisting(precondition)
        guard let idempotencyKey else { return try take(store, context, completion) }
        try NameRule.check(idempotencyKey, field: "idempotency_key", maximumBytes: store.limits.idempotencyKeyBytes)
        // A request that was answered before is answered again, even if it could no longer be carried out.
        store.submit(RecordedSave.query(tenant: key.tenant, idempotencyKey: idempotencyKey), context) { result in
            completing(completion) { () throws(StateError) in
                guard let record = try result.get() else { return try take(store, context, completion) }
                guard record.requestDigest == requestDigest else { throw .idempotencyKeyReused(key: idempotencyKey) }
                completion(.success(.replayed(record.saved)))
            }
        }
    }

    /// Takes its turn among the requests that derive a version of the flow here, behind what was submitted before it.
    private func take(_ store: StateStore, _ context: OperationContext, _ completion: @escaping Completion) throws(StateError) {
        // The place is for its turn only; its save is ready when it is derived.
        let (place, context) = (context.place, context.withoutPlace)
        try store.resources.order.submit(key, place) {
            completing(completion) { () throws(StateError) in try begin(store, context, completion) }
        }
    }

    private func begin(_ store: StateStore, _ context: OperationContext, _ completion: @escaping Completion) throws(StateError) {
        let (turns, key) = (store.resources.turns, key)
        let request = FlowTurns.Request(deadline: context.deadline) {
            if let reason = context.abandonment {
                completion(.failure(reason))
                return false
            }
            let run = DerivedSaveRun<Extra>(save: self, store: store, context: context) { result in
                if case .failure(.lockHeld) = result { turns.end(key, failure: .lockHeld) } else { turns.end(key) }
                completion(result)
            }
            do throws(StateError) {
                try run.load()
                return true
            } catch {
                completion(.failure(error))
                return false
            }
        } refuse: {
            completion(.failure($0))
        }
        try turns.begin(key, request)
    }
}

/// One attempt at a `DerivedSave`.
private struct DerivedSaveRun<Extra: Sendable>: Sendable {
    let save: DerivedSave<Extra>
    let store: StateStore
    let context: OperationContext
    let completion: DerivedSave<Extra>.Completion
    var attempts = 1
    /// nil: recovery was not tried yet.
    var recoveryID: String?

    func load() throws(StateError) {
        try LoadCommand(key: save.key).submit(to: store, context: context) { result in
            completing(fail(nil)) { () throws(StateError) in
                guard case .snapshot(let snapshot) = try result.get() else { throw .internalFault("a load without a state") }
                let version = snapshot.version.version
                if case .expected(let expected) = save.precondition, expected != version {
                    throw .versionConflict(flowID: save.key.flowID, expected: expected, actual: version)
                }
                guard save.needsDefinition else { return make(snapshot, nil) }
                try store.definition(for: snapshot.head, context) { found in
                    completing(completion) { () throws(StateError) in make(snapshot, try found.get()?.definition) }
                }
            }
        }
    }

    private func make(_ snapshot: Snapshot, _ definition: FlowDefinition?) {
        store.compute(
            [snapshot.state, save.input], context,
            { made in
                completing(fail(snapshot, definition)) { () throws(StateError) in try write(try made.get(), snapshot, definition) }
            }
        ) { budget throws(StateError) in
            try examine(snapshot, definition, budget)
            return try save.derive(snapshot, definition, budget)
        }
    }

    /// An error report accepts any state, so nothing else would find that this one is broken.
    private func examine(_ snapshot: Snapshot, _ definition: FlowDefinition?, _ budget: WorkBudget) throws(StateError) {
        guard save.trigger == .errorReport, mayRecover(snapshot, definition), let definition else { return }
        let report = try StateValidator(definition, limits: store.limits).validate(
            snapshot.state, depth: definition.recovery.automaticDepth, budget: budget)
        if !report.isValid { throw .stateInvalid(report.violations) }
    }

    private func write(
        _ made: (SaveCommand, Extra), _ snapshot: Snapshot, _ definition: FlowDefinition?
    ) throws(StateError) {
        let extra = made.1
        var command = made.0
        // Ids are in the order of insertion, and the recovery's notification came first.
        if recoveryID != nil { command.notification?.id = IDGenerator.next() }
        command.precondition = .expected(snapshot.version.version)
        command.idempotencyKey = save.idempotencyKey
        command.requestDigest = save.requestDigest
        try command.submit(to: store, context: context) { [command, extra] result in
            switch result {
            case .success(let saved) where saved.replayed: completion(.success(.replayed(saved)))
            case .success(let saved):
                completion(.success(.saved(saved, command, after: snapshot, extra, recoveryID: recoveryID ?? "")))
            case .failure(.versionConflict) where save.precondition.expectedVersion == nil: tryAgain()
            case .failure(let error): fail(snapshot, definition)(.failure(error))
            }
        }
    }

    /// Repeats everything after another save of the flow, or after a recovery.
    private func tryAgain(afterRecovery id: String? = nil) {
        guard attempts < Change.maximumAttempts else { return completion(.failure(.contention)) }
        var next = self
        next.attempts += 1
        if let id { next.recoveryID = id }
        completing(completion) { () throws(StateError) in try next.load() }
    }

    // MARK: Recovery

    /// Also true when the snapshot or the definition is not known here.
    private func mayRecover(_ snapshot: Snapshot?, _ definition: FlowDefinition?) -> Bool {
        guard store.recoversByPolicy, recoveryID == nil else { return false }
        guard let snapshot, let definition else { return true }
        return definition.recovers(on: save.trigger, phase: snapshot.head.phase, status: snapshot.head.status)
    }

    /// Completes with a failure, unless recovery can help.
    private func fail(_ snapshot: Snapshot?, _ definition: FlowDefinition? = nil) -> DerivedSave<Extra>.Completion {
        { result in
            guard case .failure(let error) = result, RecoveryByPolicy.concerns(error) else { return completion(result) }
            guard mayRecover(snapshot, definition) else { return giveUp(error) }
            Task {
                let recovery = await RecoveryByPolicy.run(after: error, save.trigger, of: save.key, snapshot: snapshot, store, context)
                context.executor.execute {
                    switch recovery {
                    case .ended(let id): tryAgain(afterRecovery: id)
                    // Another call's recovery, or a save, came first: the change is derived from the current version.
                    case .changedMeanwhile: tryAgain()
                    // An error report is recorded whatever is wrong with the state.
                    case .notDone where save.trigger == .errorReport: tryAgain(afterRecovery: "")
                    case .notDone: completion(.failure(error))
                    }
                }
            }
        }
    }

    /// Recovery cannot help. An error report is recorded all the same: beside the state that cannot be read.
    private func giveUp(_ error: StateError) {
        guard case .dataLoss(_, let version, _) = error, save.trigger == .errorReport else { return completion(.failure(error)) }
        completing(completion) { () throws(StateError) in
            try LoadCommand(key: save.key, ifVersionNot: version).submit(to: store, context: context) { result in
                completing(completion) { () throws(StateError) in
                    guard case .unchanged(let head, let record) = try result.get() else { return tryAgain() }
                    try keepDamaged(Snapshot(head: head, version: record, state: []))
                }
            }
        }
    }

    private func keepDamaged(_ snapshot: Snapshot) throws(StateError) {
        let (made, extra) = try save.derive(snapshot, nil, WorkBudget(steps: store.limits.work))
        var command = made
        command.precondition = .expected(snapshot.version.version)
        command.idempotencyKey = save.idempotencyKey
        command.requestDigest = save.requestDigest
        DamagedVersionCopy(command: command).submit(to: store, context) { [command, extra] result in
            switch result {
            case .success(let saved) where saved.replayed: completion(.success(.replayed(saved)))
            case .success(let saved):
                completion(.success(.saved(saved, command, after: snapshot, extra, recoveryID: recoveryID ?? "")))
            case .failure(.versionConflict) where save.precondition.expectedVersion == nil: tryAgain()
            case .failure(let error): completion(.failure(error))
            }
        }
    }
}
