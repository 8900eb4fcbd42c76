import FlowModel

extension MoveFlowCommand: TaskCommand {
    package func answerBytes(limits: Limits) -> Int { headAnswerBytes }

    package func check(limits: Limits) throws(StateError) {
        try StateCheck(limits: limits).checkDerived(actor: request.actor, request.precondition, request.idempotencyKey)
        if let revision { try WireNumber.check(revision, field: "revision", from: 1, hint: "revisions start at 1, 0 is the latest") }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> MovedFlow {
        let (limits, key) = (store.limits, request.key)
        // A flow keeps its type, so the definition found for it stays right.
        let flowType = try await store.head(of: key, for: context).flowType
        guard let found = try await store.definition(of: flowType, revision: revision, tenant: key.tenant, context) else {
            throw .definitionNotFound(flowType: flowType, revision: revision ?? 0)
        }
        let derived = DerivedSave<Void>(
            key: key, precondition: request.precondition, idempotencyKey: request.idempotencyKey,
            requestDigest: request.idempotencyKey == nil ? [] : requestDigest, trigger: .step, needsDefinition: true, input: []
        ) { snapshot, old, budget throws(StateError) in
            (try next(snapshot, from: old, to: found.definition, revision: found.revision, limits: limits, budget: budget), ())
        }
        switch try await derived.run(on: store, for: context) {
        case .saved(let saved, let command, after: let before, _, _):
            var head = before.head
            command.apply(to: &head, version: saved.version, at: saved.createdAt)
            return MovedFlow(head: head, from: before.head.definitionRevision, replayed: false)
        case .replayed:
            // A retry gets the current head.
            return MovedFlow(head: try await store.head(of: key, for: context), from: nil, replayed: true)
        }
    }

    private var requestDigest: [UInt8] {
        var content = RequestContent(operation: "move_flow")
        content.append(request.key.flowID)
        content.append(request.precondition)
        content.append(revision)
        return content.digest
    }
}
