import FlowModel

extension MoveFlowCommand: StoreCommand {
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<MovedFlow, StateError>) -> Void
    ) throws(StateError) {
        if let revision { try WireNumber.check(revision, field: "revision", from: 1, hint: "revisions start at 1, 0 is the latest") }
        let (key, revision) = (request.key, revision)
        // A flow keeps its type, so the definition found for it stays right.
        try LoadCommand(key: key).submit(to: store, context: context) { result in
            completing(completion) { () throws(StateError) in
                guard case .snapshot(let snapshot) = try result.get() else { throw .internalFault("a load without a state") }
                let flowType = snapshot.head.flowType
                try store.definition(of: flowType, revision: revision, tenant: key.tenant, context) { found in
                    completing(completion) { () throws(StateError) in
                        guard let found = try found.get() else { throw .definitionNotFound(flowType: flowType, revision: revision ?? 0) }
                        try move(to: found, store, context, completion)
                    }
                }
            }
        }
    }

    private func move(
        to found: FoundDefinition, _ store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<MovedFlow, StateError>) -> Void
    ) throws(StateError) {
        let limits = store.limits
        let derived = DerivedSave<Void>(
            key: request.key, precondition: request.precondition, idempotencyKey: request.idempotencyKey,
            requestDigest: request.idempotencyKey == nil ? [] : requestDigest, trigger: .step, needsDefinition: true, input: []
        ) { snapshot, old, budget throws(StateError) in
            (try next(snapshot, from: old, to: found.definition, revision: found.revision, limits: limits, budget: budget), ())
        }
        try derived.submit(to: store, context) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(.saved(let saved, let command, after: let before, _, _)):
                var head = before.head
                command.apply(to: &head, version: saved.version, at: saved.createdAt)
                completion(.success(MovedFlow(head: head, from: before.head.definitionRevision, replayed: false)))
            case .success(.replayed):
                // A retry gets the current head.
                store.submit(LoadCommand(key: request.key), context: context) { result in
                    completing(completion) { () throws(StateError) in
                        guard case .snapshot(let snapshot) = try result.get() else { throw .internalFault("a load without a state") }
                        completion(.success(MovedFlow(head: snapshot.head, from: nil, replayed: true)))
                    }
                }
            }
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
