import FlowModel

/// Takes a lifecycle step: one version, derived from the latest one by the step's decision.
package struct TakeStepCommand<Decision: LifecycleDecision>: StoreCommand {
    package let decision: Decision

    package init(_ decision: Decision) { self.decision = decision }

    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<LifecycleOutcome, StateError>) -> Void
    ) throws(StateError) {
        let (decision, limits) = (decision, store.limits)
        try decision.check(limits: limits)
        let derived = DerivedSave<LifecycleOutcome>(
            key: decision.request.key, precondition: decision.request.precondition, idempotencyKey: decision.request.idempotencyKey,
            requestDigest: decision.request.idempotencyKey == nil ? [] : requestDigest, trigger: Decision.trigger, needsDefinition: true,
            input: Array(decision.content.joined())
        ) { snapshot, definition, budget throws(StateError) in
            let command = try decision.next(snapshot, definition, now: SystemClock.now, limits: limits, budget: budget)
            let outcome = try LifecycleOutcome(
                snapshot.head, state: command.state, before: snapshot, definition, limits: limits, budget: budget, replayed: false)
            return (command, outcome)
        }
        try derived.submit(to: store, context) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(.saved(let saved, let command, after: let before, var outcome, let recoveryID)):
                outcome.head = before.head
                command.apply(to: &outcome.head, version: saved.version, at: saved.createdAt)
                outcome.recoveryID = recoveryID
                completion(.success(outcome))
            case .success(.replayed): replay(store, context, completion)
            }
        }
    }

    /// A retry gets the current head.
    private func replay(
        _ store: StateStore, _ context: OperationContext, _ completion: @escaping @Sendable (Result<LifecycleOutcome, StateError>) -> Void
    ) {
        store.submit(LoadCommand(key: decision.request.key), context: context) { result in
            completion(
                result.flatMap { outcome in
                    guard case .snapshot(let snapshot) = outcome else { return .failure(.internalFault("a load without a state")) }
                    return .success(LifecycleOutcome(head: snapshot.head, from: "", completed: [], replayed: true))
                })
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
