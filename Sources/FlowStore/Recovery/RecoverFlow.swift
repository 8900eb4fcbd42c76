import FlowModel
import JSON

extension RecoverFlowCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(actor, field: "actor", maximumBytes: limits.idBytes)
        if let checkpoint { try NameRule.check(checkpoint, field: "checkpoint", maximumBytes: limits.idBytes) }
        if let idempotencyKey {
            try NameRule.check(idempotencyKey, field: "idempotency_key", maximumBytes: limits.idempotencyKeyBytes)
        }
        if reason.utf8.count > limits.descriptionBytes || reason.utf8.contains(0) {
            throw .invalidArgument(field: "reason", message: "must be text of \(limits.descriptionBytes) bytes at most")
        }
        if checkpoint != nil, strategy != .checkpoint {
            throw .invalidArgument(field: "checkpoint", message: "is used with the strategy checkpoint only")
        }
    }

    /// It stops between its round trips when the call ends.
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> RecoveryRecord {
        try await FlowRecovery(command: self, store: store, context: context).run()
    }

    /// The digest of what the client asked for.
    var requestDigest: [UInt8] {
        var content = RequestContent(operation: "recover")
        content.append(key.flowID)
        content.append(strategy?.rawValue)
        content.append(checkpoint)
        content.append(reason)
        return content.digest
    }
}

/// One recovery: examines what is wrong, finds a state that follows the rules, and saves it with the broken one quarantined in the same
/// commit.
struct FlowRecovery: Sendable {
    let command: RecoverFlowCommand
    let store: StateStore
    let context: OperationContext

    /// The latest version, and what is wrong with it.
    private struct BrokenFlow {
        var head: FlowHead
        var version: VersionRecord
        /// nil: it cannot be read.
        var state: [UInt8]?
        var definition: FlowDefinition?
        var violations: [Violation]
    }

    private struct RecoveryCandidate {
        var strategy: RecoveryStrategy
        var state: [UInt8]
        var contentType: String
    }

    /// The most earlier versions that are tried.
    private static let candidates = 100

    func run() async throws(StateError) -> RecoveryRecord {
        if let key = command.idempotencyKey, let recorded = try await recorded(key) { return recorded }
        let reserved = context.reservedBytes
        for _ in 0..<ChangeRounds.maximumAttempts {
            let broken = try await examine()
            if broken.violations.isEmpty, command.strategy == nil { return record(broken, nil, [], saved: nil) }
            var steps: [RecoveryRecord.Step] = []
            guard let candidate = try await findCandidate(broken, &steps) else {
                let tried = steps.map { "\($0.action): \($0.outcome)" }
                if !command.isDryRun { try await notify(broken, tried) }
                throw .recoveryFailed(flowID: command.key.flowID, tried: tried)
            }
            if command.isDryRun { return try await planned(broken, candidate, steps) }
            // For the answer: a recovery that was carried out is not to be answered OVERLOADED.
            try context.reserve(broken.violations.answerBytes)
            do throws(StateError) {
                let saved = try await store.save(try await save(candidate, broken), for: context)
                if saved.replayed, let key = command.idempotencyKey, let recorded = try await recorded(key) { return recorded }
                return record(broken, candidate, steps, saved: saved)
            } catch .versionConflict(_, _, _) {
                // Another save came in between, and may have repaired the flow.
                context.release(to: reserved)
                try checkIsWanted()
            }
        }
        throw .contention
    }

    private func checkIsWanted() throws(StateError) {
        if context.cancellation?.isCancelled ?? false { throw .cancelled }
    }

    private func load(
        _ selector: LoadSelector, ifVersionNot: FlowVersion? = nil, for context: OperationContext? = nil
    ) async throws(StateError) -> LoadOutcome {
        try checkIsWanted()
        var load = LoadCommand(key: command.key, selector: selector, ifVersionNot: ifVersionNot)
        load.findsParts = true
        return try await store.load(load, for: context ?? self.context)
    }

    // MARK: Examination

    private func examine() async throws(StateError) -> BrokenFlow {
        do throws(StateError) {
            guard case .snapshot(let snapshot) = try await load(.latest) else { throw .internalFault("a load without a state") }
            let definition = try await definition(for: snapshot.head)
            var violations: [Violation] = []
            // What is stored in parts is too large for rules.
            if let definition, snapshot.parts == nil, isWanted(by: definition, snapshot.head) {
                let (limits, depth) = (store.limits, depth(definition))
                violations = try await store.compute([snapshot.state], context) { budget throws(StateError) in
                    try StateValidator(definition, limits: limits).validate(snapshot.state, depth: depth, budget: budget).violations
                }
            }
            return BrokenFlow(
                head: snapshot.head, version: snapshot.version, state: snapshot.parts == nil ? snapshot.state : nil, definition: definition,
                violations: violations)
        } catch .dataLoss(_, let version, let message) {
            // Given the version's number, the head can be read without the state.
            guard case .unchanged(let head, let record) = try await load(.latest, ifVersionNot: version) else {
                return try await examine()
            }
            let definition = try await definition(for: head)
            let violation = Violation(path: "", rule: "corrupt", message: message)
            return BrokenFlow(
                head: head, version: record, state: nil, definition: definition,
                violations: isWanted(by: definition, head) ? [violation] : [])
        }
    }

    private func depth(_ definition: FlowDefinition) -> ValidationDepth {
        command.trigger == nil ? .complete : definition.recovery.automaticDepth
    }

    /// Whether the caller asked for the recovery, or the policy lists the trigger.
    private func isWanted(by definition: FlowDefinition?, _ head: FlowHead) -> Bool {
        guard let trigger = command.trigger else { return true }
        return definition?.recovers(on: trigger, phase: head.phase, status: head.status) ?? false
    }

    private func definition(for head: FlowHead) async throws(StateError) -> FlowDefinition? {
        try await store.definition(
            of: head.flowType, revision: head.definitionRevision, tenant: command.key.tenant, context)?.definition
    }

    // MARK: Strategies

    private func findCandidate(_ broken: BrokenFlow, _ steps: inout [RecoveryRecord.Step]) async throws(StateError) -> RecoveryCandidate? {
        let strategies = command.strategy.map { [$0] } ?? broken.definition?.recovery.strategies ?? [.checkpoint, .version]
        for strategy in strategies {
            let candidate: RecoveryCandidate? =
                switch strategy {
                case .repair: try await repair(broken, &steps)
                case .checkpoint: try await goBack(to: try await checkpoints(), strategy, broken, &steps)
                case .version: try await goBack(to: try await versions(before: broken.version.version), strategy, broken, &steps)
                case .reset: try await reset(broken, &steps)
                }
            if let candidate { return candidate }
        }
        return nil
    }

    private func repair(_ broken: BrokenFlow, _ steps: inout [RecoveryRecord.Step]) async throws(StateError) -> RecoveryCandidate? {
        var repaired: [UInt8]?
        if let state = broken.state, let definition = broken.definition {
            let (flowID, limits, depth) = (command.key.flowID, store.limits, depth(definition))
            repaired = try await store.compute([state], context) { budget throws(StateError) in
                try definition.repaired(state, flowID: flowID, at: SystemClock.now, limits: limits, depth: depth, budget: budget)
            }
        }
        note("repair", broken.version.version, helped: repaired != nil, &steps)
        return repaired.map { RecoveryCandidate(strategy: .repair, state: $0, contentType: broken.version.contentType) }
    }

    private func reset(_ broken: BrokenFlow, _ steps: inout [RecoveryRecord.Step]) async throws(StateError) -> RecoveryCandidate? {
        var initial: [UInt8]?
        if let definition = broken.definition {
            let (flowID, limits, depth, state) = (command.key.flowID, store.limits, depth(definition), broken.state)
            initial = try await store.compute([state ?? []], context) { budget throws(StateError) in
                try definition.reset(state, flowID: flowID, at: SystemClock.now, limits: limits, depth: depth, budget: budget)
            }
        }
        note("reset", 0, helped: initial != nil, &steps)
        return initial.map { RecoveryCandidate(strategy: .reset, state: $0, contentType: ContentType.json.text) }
    }

    private func checkpoints() async throws(StateError) -> [LoadSelector] {
        if let checkpoint = command.checkpoint { return [.checkpoint(checkpoint)] }
        let page = try await ListCheckpointsCommand(key: command.key, pageSize: Self.candidates).run(on: store, for: context)
        let first = try await presentLife(.oldestFirst, count: 1).first ?? 0
        return page.elements.filter { $0.version >= first }.map { .version($0.version) }
    }

    private func versions(before version: FlowVersion) async throws(StateError) -> [LoadSelector] {
        try await presentLife(.newestFirst, count: Self.candidates + 1).filter { $0 < version }.map { .version($0) }
    }

    /// Versions since the flow was created, or revived last: what it was before that is over.
    private func presentLife(_ order: VersionOrder, count: Int) async throws(StateError) -> [FlowVersion] {
        var list = ListVersionsCommand(
            tenant: command.key.tenant, subject: .flow(command.key.flowID), order: order, pageSize: count)
        list.filter.isOfPresentLife = true
        return try await list.run(on: store, for: context).elements.map(\.version)
    }

    /// The first state that can be read and follows the rules.
    private func goBack(
        to selectors: [LoadSelector], _ strategy: RecoveryStrategy, _ broken: BrokenFlow, _ steps: inout [RecoveryRecord.Step]
    ) async throws(StateError) -> RecoveryCandidate? {
        for selector in selectors {
            do throws(StateError) {
                // The memory of a state that does not help is released before the next one is loaded.
                let attempt = context.withOwnMemory
                guard case .snapshot(let snapshot) = try await load(selector, for: attempt) else { continue }
                // Neither the broken version itself nor a tombstone helps.
                if snapshot.version.version == broken.version.version || snapshot.version.kind == .deleted { continue }
                var state: [UInt8]? = snapshot.parts == nil ? snapshot.state : nil
                if state != nil, let definition = broken.definition {
                    let (limits, depth) = (store.limits, depth(definition))
                    state = try await store.compute([snapshot.state], attempt) { budget throws(StateError) in
                        try definition.goingBack(to: snapshot.state, at: SystemClock.now, limits: limits, depth: depth, budget: budget)
                    }
                }
                note("\(strategy.rawValue)", snapshot.version.version, helped: state != nil, &steps)
                if let state { return RecoveryCandidate(strategy: strategy, state: state, contentType: snapshot.version.contentType) }
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

    private func notify(_ broken: BrokenFlow, _ tried: [String]) async throws(StateError) {
        let (key, version) = (command.key, broken.version.version)
        let notification = NotificationRequest.recoveryFailed(
            id: command.notificationID, flowID: key.flowID, broken: version, violations: broken.violations, tried: tried)
        _ = try await NotifyCommand(key: key, version: version, notification: notification).run(on: store, for: context)
    }

    // MARK: The next version

    private func save(_ candidate: RecoveryCandidate, _ broken: BrokenFlow) async throws(StateError) -> SaveCommand {
        var save = SaveCommand(
            key: command.key, actor: command.actor, state: candidate.state,
            contentType: try ContentType(parsing: candidate.contentType, limits: store.limits),
            precondition: .expected(broken.version.version), kind: .recovered)
        if let definition = broken.definition {
            let limits = store.limits
            save = try await store.compute([save.state], context) { [save] budget throws(StateError) in
                try save.lifted(by: definition, limits: limits, budget: budget)
            }
        }
        save.quarantine = QuarantineRequest(
            id: command.quarantineID, reason: command.reason.isEmpty ? candidate.strategy.rawValue : command.reason,
            violations: broken.violations)
        save.notification = command.notification(candidate.strategy, broken: broken.version.version, violations: broken.violations)
        save.idempotencyKey = command.idempotencyKey
        save.requestDigest = command.requestDigest
        save.metadata = Array(
            RecoveryText.text(record(broken, candidate, [], saved: nil), reason: command.reason).utf8)
        return save
    }

    /// The record of a dry run, with the difference that it would make.
    private func planned(
        _ broken: BrokenFlow, _ candidate: RecoveryCandidate, _ steps: [RecoveryRecord.Step]
    ) async throws(StateError) -> RecoveryRecord {
        var record = record(broken, candidate, steps, saved: nil)
        guard let state = broken.state else { return record }
        let (depth, next) = (store.limits.jsonDepth, candidate.state)
        record.diff = try await store.compute([state, next], context) { budget throws(StateError) in
            try StateError.counting { () throws(WorkStopped) in
                guard case .success(let old) = try JSONDocument.parse(state, maximumDepth: depth, budget),
                    case .success(let new) = try JSONDocument.parse(next, maximumDepth: depth, budget)
                else { return [] }
                return try JSONDiff.patch(from: old, to: new, budget: budget)
            }
        }
        return record
    }

    private func record(_ broken: BrokenFlow, _ candidate: RecoveryCandidate?, _ steps: [RecoveryRecord.Step], saved: SavedVersion?)
        -> RecoveryRecord
    {
        RecoveryRecord(
            id: command.recoveryID, isPlanned: command.isDryRun, strategy: candidate?.strategy, brokenVersion: broken.version.version,
            recoveredVersion: saved?.version ?? 0, steps: steps, violations: broken.violations,
            quarantineID: candidate == nil || command.isDryRun ? "" : command.quarantineID,
            time: saved?.createdAt ?? SystemClock.now, actor: command.actor)
    }

    private func recorded(_ key: String) async throws(StateError) -> RecoveryRecord? {
        let saved = try await RecordedSave.find(key, of: command.key.tenant, digest: command.requestDigest, in: store, for: context)
        guard let saved, case .snapshot(let snapshot) = try await load(.version(saved.version)) else { return nil }
        var record = RecoveryText.record(snapshot.version)
        record.replayed = true
        return record
    }
}
