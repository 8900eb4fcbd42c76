import FlowModel

extension RecoverFlowCommand: StoreCommand {
    /// Recovery is rare and takes several round trips, so it runs as a task. It stops between them when the call ends.
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<RecoveryRecord, StateError>) -> Void
    ) throws(StateError) {
        try NameRule.check(actor, field: "actor", maximumBytes: store.limits.idBytes)
        if let checkpoint { try NameRule.check(checkpoint, field: "checkpoint", maximumBytes: store.limits.idBytes) }
        if let idempotencyKey {
            try NameRule.check(idempotencyKey, field: "idempotency_key", maximumBytes: store.limits.idempotencyKeyBytes)
        }
        if reason.utf8.count > store.limits.descriptionBytes || reason.utf8.contains(0) {
            throw .invalidArgument(field: "reason", message: "must be text of \(store.limits.descriptionBytes) bytes at most")
        }
        if checkpoint != nil, strategy != .checkpoint {
            throw .invalidArgument(field: "checkpoint", message: "goes with the strategy of checkpoints only")
        }
        let recovery = FlowRecovery(command: self, store: store, context: context)
        Task {
            let result: Result<RecoveryRecord, StateError>
            do throws(StateError) {
                result = .success(try await recovery.run())
            } catch {
                result = .failure(error)
            }
            context.executor.execute { completion(result) }
        }
    }

    /// What the client asked for.
    var requestDigest: [UInt8] {
        var content = RequestContent(operation: "recover")
        content.append(key.flowID)
        content.append(strategy?.rawValue)
        content.append(checkpoint)
        content.append(reason)
        return content.digest
    }
}

/// One recovery: looks what is wrong, finds a state that follows the rules, and saves it with the broken one archived in the same commit.
struct FlowRecovery: Sendable {
    let command: RecoverFlowCommand
    let store: StateStore
    let context: OperationContext

    /// What stands there now.
    private struct Patient {
        var head: FlowHead
        var version: VersionRecord
        /// nil: it cannot be read.
        var state: [UInt8]?
        var definition: FlowDefinition?
        var violations: [StateError.Violation]
    }

    private struct Cure {
        var strategy: RecoveryStrategy
        var state: [UInt8]
        var contentType: String
    }

    /// Earlier versions that are looked at.
    private static let candidates = 100

    func run() async throws(StateError) -> RecoveryRecord {
        if let key = command.idempotencyKey, let recorded = try await recorded(key) { return recorded }
        for _ in 0..<Change.maximumAttempts {
            let patient = try await examine()
            if patient.violations.isEmpty, command.strategy == nil { return record(patient, nil, [], saved: nil) }
            var steps: [RecoveryRecord.Step] = []
            guard let cure = try await findCure(patient, &steps) else {
                let tried = steps.map { "\($0.action): \($0.outcome)" }
                if !command.isDryRun { try await notify(patient, tried) }
                throw .recoveryFailed(flowID: command.key.flowID, tried: tried)
            }
            if command.isDryRun { return record(patient, cure, steps, saved: nil) }
            do throws(StateError) {
                let saved = try await store.run(try save(cure, patient), deadline: context.deadline)
                if saved.replayed, let key = command.idempotencyKey, let recorded = try await recorded(key) { return recorded }
                return record(patient, cure, steps, saved: saved)
            } catch .versionConflict(_, _, _) {
                // Somebody saved in between: perhaps nothing is wrong any more.
                try checkIsWanted()
            }
        }
        throw .contention
    }

    private func checkIsWanted() throws(StateError) {
        if context.cancellation?.isCancelled ?? false { throw .cancelled }
    }

    private func load(_ selector: LoadSelector, ifVersionNot: FlowVersion? = nil) async throws(StateError) -> LoadOutcome {
        try checkIsWanted()
        return try await store.run(
            LoadCommand(key: command.key, selector: selector, ifVersionNot: ifVersionNot), deadline: context.deadline)
    }

    // MARK: What is wrong

    private func examine() async throws(StateError) -> Patient {
        do throws(StateError) {
            guard case .snapshot(let snapshot) = try await load(.latest) else { throw .internalFault("a load without a state") }
            let definition = try await definition(for: snapshot.head)
            let report =
                isWanted(by: definition, snapshot.head)
                ? try definition.map { (definition) throws(StateError) in
                    try StateValidator(definition, limits: store.limits).validate(
                        snapshot.state, depth: depth(definition), budget: budget)
                } : nil
            return Patient(
                head: snapshot.head, version: snapshot.version, state: snapshot.state, definition: definition,
                violations: report?.violations ?? [])
        } catch .dataLoss(_, let version, let message) {
            // With its number the head can be read without its state.
            guard case .unchanged(let head, let record) = try await load(.latest, ifVersionNot: version) else {
                return try await examine()
            }
            let definition = try await definition(for: head)
            let violation = StateError.Violation(path: "", rule: "corrupt", message: message)
            return Patient(
                head: head, version: record, state: nil, definition: definition,
                violations: isWanted(by: definition, head) ? [violation] : [])
        }
    }

    /// Of one state that is looked at: how many are, the recovery itself bounds.
    private var budget: WorkBudget { WorkBudget(steps: store.limits.work) }

    private func depth(_ definition: FlowDefinition) -> ValidationDepth {
        command.trigger == nil ? .complete : definition.recovery.automaticDepth
    }

    /// What the policy does not ask for finds nothing wrong.
    private func isWanted(by definition: FlowDefinition?, _ head: FlowHead) -> Bool {
        guard let trigger = command.trigger else { return true }
        return definition?.recovers(on: trigger, status: head.status) ?? false
    }

    private func definition(for head: FlowHead) async throws(StateError) -> FlowDefinition? {
        try await store.definition(
            of: head.flowType, revision: head.definitionRevision, tenant: command.key.tenant, deadline: context.deadline)
    }

    // MARK: What helps

    private func findCure(_ patient: Patient, _ steps: inout [RecoveryRecord.Step]) async throws(StateError) -> Cure? {
        let strategies = command.strategy.map { [$0] } ?? patient.definition?.recovery.strategies ?? [.checkpoint, .version]
        for strategy in strategies {
            let cure: Cure? =
                switch strategy {
                case .repair: try repair(patient, &steps)
                case .checkpoint: try await goBack(to: try await checkpoints(), strategy, patient, &steps)
                case .version: try await goBack(to: versions(before: patient.version.version), strategy, patient, &steps)
                case .reset: try reset(patient, &steps)
                }
            if let cure { return cure }
        }
        return nil
    }

    private func repair(_ patient: Patient, _ steps: inout [RecoveryRecord.Step]) throws(StateError) -> Cure? {
        var state: [UInt8]?
        if let broken = patient.state, let definition = patient.definition {
            state = try definition.repaired(
                broken, flowID: command.key.flowID, at: SystemClock.now, limits: store.limits, depth: depth(definition), budget: budget)
        }
        note("repair", patient.version.version, helped: state != nil, &steps)
        return state.map { Cure(strategy: .repair, state: $0, contentType: patient.version.contentType) }
    }

    private func reset(_ patient: Patient, _ steps: inout [RecoveryRecord.Step]) throws(StateError) -> Cure? {
        let state =
            try patient.definition.map { (definition) throws(StateError) in
                try definition.reset(
                    patient.state, flowID: command.key.flowID, at: SystemClock.now, limits: store.limits, depth: depth(definition),
                    budget: budget)
            } ?? nil
        note("reset", 0, helped: state != nil, &steps)
        return state.map { Cure(strategy: .reset, state: $0, contentType: ContentType.json.text) }
    }

    private func checkpoints() async throws(StateError) -> [LoadSelector] {
        if let checkpoint = command.checkpoint { return [.checkpoint(checkpoint)] }
        let page = try await store.run(
            ListCheckpointsCommand(key: command.key, pageSize: Self.candidates), deadline: context.deadline)
        return page.elements.map { .version($0.version) }
    }

    private func versions(before version: FlowVersion) -> [LoadSelector] {
        stride(from: version - 1, to: max(0, version - 1 - FlowVersion(Self.candidates)), by: -1).map { .version($0) }
    }

    /// The first state that can be read and follows the rules.
    private func goBack(
        to selectors: [LoadSelector], _ strategy: RecoveryStrategy, _ patient: Patient, _ steps: inout [RecoveryRecord.Step]
    ) async throws(StateError) -> Cure? {
        for selector in selectors {
            do throws(StateError) {
                guard case .snapshot(let snapshot) = try await load(selector) else { continue }
                // The broken version itself is no help, nor is a tombstone.
                if snapshot.version.version == patient.version.version || snapshot.version.kind == .deleted { continue }
                let state =
                    if let definition = patient.definition {
                        try definition.goingBack(
                            to: snapshot.state, at: SystemClock.now, limits: store.limits, depth: depth(definition), budget: budget)
                    } else {
                        snapshot.state
                    }
                note("\(strategy.rawValue)", snapshot.version.version, helped: state != nil, &steps)
                if let state { return Cure(strategy: strategy, state: state, contentType: snapshot.version.contentType) }
            } catch .dataLoss(_, let version, _) {
                note("\(strategy.rawValue)", version, helped: false, &steps)
            } catch .versionNotFound(_, _) {
                continue
            }
        }
        if selectors.isEmpty { note("\(strategy.rawValue)", 0, helped: false, &steps) }
        return nil
    }

    private func note(_ action: String, _ version: FlowVersion, helped: Bool, _ steps: inout [RecoveryRecord.Step]) {
        steps.append(RecoveryRecord.Step(action: action, version: version, outcome: helped ? "helped" : "no valid state"))
    }

    private func notify(_ patient: Patient, _ tried: [String]) async throws(StateError) {
        let (key, version) = (command.key, patient.version.version)
        let notification = NotificationRequest.recoveryFailed(
            id: command.notificationID, flowID: key.flowID, broken: version, violations: patient.violations, tried: tried)
        _ = try await store.run(
            NotifyCommand(key: key, version: version, notification: notification), deadline: context.deadline)
    }

    // MARK: The next version

    private func save(_ cure: Cure, _ patient: Patient) throws(StateError) -> SaveCommand {
        var save = SaveCommand(
            key: command.key, actor: command.actor, state: cure.state,
            contentType: try ContentType(parsing: cure.contentType, limits: store.limits),
            precondition: .expected(patient.version.version), kind: .recovered)
        if let definition = patient.definition { save = try save.lifted(by: definition, limits: store.limits, budget: budget) }
        save.quarantine = QuarantineRequest(
            id: command.quarantineID, reason: command.reason.isEmpty ? cure.strategy.rawValue : command.reason,
            violations: patient.violations)
        save.notification = command.notification(cure.strategy, broken: patient.version.version, violations: patient.violations)
        save.idempotencyKey = command.idempotencyKey
        save.requestDigest = command.requestDigest
        save.metadata = Array(
            RecoveryText.text(record(patient, cure, [], saved: nil), reason: command.reason).utf8)
        return save
    }

    private func record(_ patient: Patient, _ cure: Cure?, _ steps: [RecoveryRecord.Step], saved: SavedVersion?) -> RecoveryRecord {
        var diff: [UInt8] = []
        if command.isDryRun, let cure, let broken = patient.state,
            let old = try? JSONDocument(broken, maximumDepth: store.limits.jsonDepth),
            let new = try? JSONDocument(cure.state, maximumDepth: store.limits.jsonDepth)
        {
            // A recovery that is only planned is told without it when that takes too much work.
            diff = (try? JSONDiff.patch(from: old, to: new, budget: budget)) ?? []
        }
        return RecoveryRecord(
            id: command.recoveryID, isPlanned: command.isDryRun, strategy: cure?.strategy, brokenVersion: patient.version.version,
            recoveredVersion: saved?.version ?? 0, steps: steps, violations: patient.violations,
            quarantineID: cure == nil || command.isDryRun ? "" : command.quarantineID,
            time: saved?.createdAt ?? SystemClock.now, diff: diff)
    }

    private func recorded(_ key: String) async throws(StateError) -> RecoveryRecord? {
        let context = OperationContext(deadline: context.deadline)
        let result = await withCheckedContinuation { continuation in
            store.submit(RecordedSave.query(tenant: command.key.tenant, idempotencyKey: key), context) {
                continuation.resume(returning: $0)
            }
        }
        guard let recorded = try result.get() else { return nil }
        guard recorded.requestDigest == command.requestDigest else { throw .idempotencyKeyReused(key: key) }
        guard case .snapshot(let snapshot) = try await load(.version(recorded.saved.version)) else { return nil }
        var record = RecoveryText.record(snapshot.version)
        record.replayed = true
        return record
    }
}
