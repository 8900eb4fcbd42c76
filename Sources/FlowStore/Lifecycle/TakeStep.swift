import FlowModel

/// Takes a lifecycle step: one version, derived from the latest one by the step's decision.
package struct TakeStepCommand<Decision: LifecycleDecision>: TaskCommand {
    package let decision: Decision

    package init(_ decision: Decision) { self.decision = decision }

    package func answerBytes(limits: Limits) -> Int { headAnswerBytes }

    package func check(limits: Limits) throws(StateError) {
        let request = decision.request
        try StateCheck(limits: limits).checkDerived(
            actor: request.actor, request.precondition, leaseToken: request.leaseToken, request.idempotencyKey)
        try decision.check(limits: limits)
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> LifecycleOutcome {
        let (decision, limits) = (decision, store.limits)
        let derived = DerivedSave<LifecycleOutcome>(
            key: decision.request.key, precondition: decision.request.precondition,
            leaseToken: decision.request.leaseToken, idempotencyKey: decision.request.idempotencyKey,
            requestDigest: decision.request.idempotencyKey == nil ? [] : requestDigest, trigger: Decision.trigger, needsDefinition: true,
            findsParts: true, input: Array(decision.content.joined())
        ) { snapshot, definition, budget throws(StateError) in
            var command = try decision.next(snapshot, definition, now: SystemClock.now, limits: limits, budget: budget)
            command.takeLimits(of: definition, from: .at(phase: snapshot.head.phase, status: snapshot.head.status))
            let outcome = try LifecycleOutcome(
                snapshot.head, state: command.state, before: snapshot, definition, limits: limits, budget: budget, replayed: false)
            // For the answer, as the head.
            try context.reserve(outcome.completed.reduce(0) { $0 + $1.utf8.count })
            return (command, outcome)
        }
        switch try await derived.run(on: store, for: context) {
        case .saved(let saved, let command, after: let before, var outcome, let recoveryID):
            outcome.head = before.head
            command.apply(to: &outcome.head, version: saved.version, at: saved.createdAt)
            outcome.recoveryID = recoveryID
            return outcome
        case .replayed:
            // A retry gets the current head.
            let head = try await store.head(of: decision.request.key, for: context)
            return LifecycleOutcome(head: head, from: "", completed: [], replayed: true)
        }
    }

    private var requestDigest: [UInt8] {
        var content = RequestContent(operation: Decision.operation)
        content.append(decision.request.key.flowID)
        content.append(decision.request.precondition)
        for part in decision.content { content.append(part) }
        return content.digest
    }
}
