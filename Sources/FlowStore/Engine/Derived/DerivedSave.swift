import FlowModel
import JSON
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

    let key: FlowKey
    let precondition: Precondition
    var leaseToken: Int64?
    let idempotencyKey: String?
    /// Identifies the request beside its key: the derived state differs from version to version, the request does not.
    let requestDigest: [UInt8]
    /// The trigger for the recovery policy when the latest version is broken.
    let trigger: RecoveryTrigger
    /// Whether `derive` needs the definition of the flow's type.
    let needsDefinition: Bool
    /// Whether `derive` can leave a state as it is that is stored in parts.
    var findsParts = false
    /// What `derive` reads beside the state.
    let input: [UInt8]
    /// Derives the next version; the caller sets its precondition, key and digest. May run on any thread, and twice.
    let derive: @Sendable (Snapshot, FlowDefinition?, WorkBudget) throws(StateError) -> (SaveCommand, Extra)

    /// - Throws: before anything is loaded, `overloaded` when too many changes of the flow wait.
    func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Outcome {
        // A request that was answered before is answered again, even if it could no longer be carried out.
        if let idempotencyKey,
            let saved = try await RecordedSave.find(idempotencyKey, of: key.tenant, digest: requestDigest, in: store, for: context)
        {
            return .replayed(saved)
        }
        try await takeTurn(in: store, context)
        let turns = store.resources.turns
        do throws(StateError) {
            // The place was for the turn only.
            var run = DerivedSaveRun(save: self, store: store, context: context.withoutPlace)
            let outcome = try await run.run()
            turns.end(key)
            return outcome
        } catch {
            turns.end(key, failure: error == .lockHeld ? error : nil)
            throw error
        }
    }

    /// Waits for its turn among the requests that derive a version of the flow here, behind what was submitted before it.
    private func takeTurn(in store: StateStore, _ context: OperationContext) async throws(StateError) {
        try await store.wait(context) { (context, completion: @escaping @Sendable (Result<Void, StateError>) -> Void) throws(StateError) in
            let (turns, key) = (store.resources.turns, key)
            let request = FlowTurns.Request(deadline: context.deadline) {
                let reason = context.abandonment
                completion(reason.map { .failure($0) } ?? .success(()))
                return reason == nil
            } refuse: {
                completion(.failure($0))
            }
            try store.resources.order.submit(key, context.place) {
                completing(completion) { () throws(StateError) in try turns.begin(key, request) }
            }
        }
    }
}

/// The turn of a `DerivedSave`: up to `ChangeRounds.maximumAttempts` attempts.
private struct DerivedSaveRun<Extra: Sendable> {
    typealias Outcome = DerivedSave<Extra>.Outcome

    let save: DerivedSave<Extra>
    let store: StateStore
    let context: OperationContext
    /// nil: recovery was not tried yet.
    private var recoveryID: String?

    init(save: DerivedSave<Extra>, store: StateStore, context: OperationContext) {
        self.save = save
        self.store = store
        self.context = context
    }

    mutating func run() async throws(StateError) -> Outcome {
        let reserved = context.reservedBytes
        for _ in 0..<ChangeRounds.maximumAttempts {
            if let outcome = try await attempt() { return outcome }
            context.release(to: reserved)
        }
        throw .contention
    }

    /// - Returns: nil: another save, or a recovery, came in between, and everything is to be repeated.
    private mutating func attempt() async throws(StateError) -> Outcome? {
        let snapshot: Snapshot
        do throws(StateError) {
            var load = LoadCommand(key: save.key)
            load.findsParts = save.findsParts
            snapshot = try await store.snapshot(load, for: context)
        } catch {
            return try await recover(from: error, nil, nil)
        }
        try save.precondition.check(snapshot)
        let definition = save.needsDefinition ? try await store.definition(for: snapshot.head, context)?.definition : nil
        do throws(StateError) {
            let (save, run) = (save, self)
            let (command, extra) = try await store.compute([snapshot.state, save.input], context) { budget throws(StateError) in
                try run.examine(snapshot, definition, budget)
                return try save.derive(snapshot, definition, budget)
            }
            return try await outcome(of: store.save(completed(command, after: snapshot), for: context), command, snapshot, extra)
        } catch .versionConflict(_, _, _) where save.precondition.expectedVersion == nil {
            return nil
        } catch {
            return try await recover(from: error, snapshot, definition)
        }
    }

    /// An error report accepts any state, so nothing else would find that this one is broken.
    private func examine(_ snapshot: Snapshot, _ definition: FlowDefinition?, _ budget: WorkBudget) throws(StateError) {
        guard save.trigger == .errorReport, snapshot.parts == nil, mayRecover(snapshot, definition), let definition else { return }
        let report = try StateValidator(definition, limits: store.limits).validate(
            snapshot.state, depth: definition.recovery.automaticDepth, budget: budget)
        if !report.isValid { throw .stateInvalid(report.violations) }
    }

    /// The derived save, as the next version after the snapshot, for the client's request.
    private func completed(_ made: SaveCommand, after snapshot: Snapshot) -> SaveCommand {
        var command = made
        // Ids are in the order of insertion, and the recovery's notification came first.
        if recoveryID != nil { command.notification?.id = IDGenerator.next() }
        command.precondition = .expected(snapshot.version.version)
        command.leaseToken = save.leaseToken
        command.idempotencyKey = save.idempotencyKey
        command.requestDigest = save.requestDigest
        return command
    }

    private func outcome(of saved: SavedVersion, _ command: SaveCommand, _ snapshot: Snapshot, _ extra: Extra) -> Outcome {
        saved.replayed ? .replayed(saved) : .saved(saved, command, after: snapshot, extra, recoveryID: recoveryID ?? "")
    }

    // MARK: Recovery

    /// Also true when the snapshot or the definition is not known here.
    private func mayRecover(_ snapshot: Snapshot?, _ definition: FlowDefinition?) -> Bool {
        guard store.recoversByPolicy, recoveryID == nil else { return false }
        guard let snapshot, let definition else { return true }
        return definition.recovers(on: save.trigger, phase: snapshot.head.phase, status: snapshot.head.status)
    }

    /// - Returns: nil when recovery may have helped.
    /// - Throws: the error, when it cannot.
    private mutating func recover(
        from error: StateError, _ snapshot: Snapshot?, _ definition: FlowDefinition?
    ) async throws(StateError) -> Outcome? {
        guard RecoveryByPolicy.concerns(error) else { throw error }
        guard mayRecover(snapshot, definition) else { return try await keepDamaged(error) }
        switch await RecoveryByPolicy.run(after: error, save.trigger, of: save.key, snapshot: snapshot, store, context) {
        case .ended(let id): recoveryID = id
        // Another call's recovery, or a save, came first: the change is derived from the current version.
        case .changedMeanwhile: break
        // An error report is recorded whatever is wrong with the state.
        case .notDone where save.trigger == .errorReport: recoveryID = ""
        case .notDone: throw error
        }
        return nil
    }

    /// Recovery cannot help. An error report is recorded all the same: beside the state that cannot be read.
    private func keepDamaged(_ error: StateError) async throws(StateError) -> Outcome? {
        guard case .dataLoss(_, let version, _) = error, save.trigger == .errorReport else { throw error }
        let loaded = try await store.load(LoadCommand(key: save.key, ifVersionNot: version), for: context)
        guard case .unchanged(let head, let record) = loaded else { return nil }
        let snapshot = Snapshot(head: head, version: record, state: [])
        let (command, extra) = try save.derive(snapshot, nil, WorkBudget(steps: store.limits.work))
        do throws(StateError) {
            let saved = try await DamagedVersionCopy(command: completed(command, after: snapshot)).run(on: store, for: context)
            return outcome(of: saved, command, snapshot, extra)
        } catch .versionConflict(_, _, _) where save.precondition.expectedVersion == nil {
            return nil
        }
    }
}

extension Precondition {
    /// Whether it holds for the latest version.
    ///
    /// - Throws: the conflict.
    func check(_ snapshot: Snapshot) throws(StateError) {
        let (flowID, version) = (snapshot.head.key.flowID, snapshot.version.version)
        switch self {
        case .none, .anyVersion: break
        case .expected(let expected):
            if expected != version { throw .versionConflict(flowID: flowID, expected: expected, actual: version) }
        case .expectedLabel(let expected):
            let label = snapshot.version.versionLabel ?? ""
            if !label.hasSameBytes(as: expected) {
                throw .labelConflict(flowID: flowID, expected: expected, actual: label, version: version)
            }
        }
    }
}
