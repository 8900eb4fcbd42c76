import FlowModel

extension SaveCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        guard idempotencyKey != nil, requestDigest == nil else {
            return try submitRequest(to: store, context: context, completion: completion)
        }
        var command = self
        // Of what the client asks for, before anything is added that another try would not find the same.
        command.requestDigest = requestDigest("save", content: Digest.xxh3(state))
        try command.submitRequest(to: store, context: context, completion: completion)
    }

    private func submitRequest(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        if wantsInitialState, let flowType {
            return try store.definition(of: flowType, tenant: key.tenant, context) { found in
                do throws(StateError) {
                    var command = self
                    let definition = try found.get()?.definition
                    command.state =
                        try definition?.initialState(
                            of: key.flowID, at: SystemClock.now, limits: store.limits, budget: WorkBudget(steps: store.limits.work)) ?? []
                    try command.submitState(to: store, context, completion)
                } catch {
                    completion(.failure(error))
                }
            }
        }
        try submitState(to: store, context, completion)
    }

    /// An empty text is no JSON, so it can mean this.
    private var wantsInitialState: Bool { kind == .created && state.isEmpty && contentType.isJSON }

    private func submitState(
        to store: StateStore, _ context: OperationContext, _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        try StateCheck(limits: store.limits).check(self)
        let command = try SaveValidation(command: self, store: store, context: context).begin { result in
            switch result {
            case .failure(let error): refuse(error, to: store, context, completion)
            case .success(let outcome):
                outcome.command.save(to: store, context) { result in
                    completion(
                        result.map { saved in
                            var saved = saved
                            saved.warnings = outcome.warnings
                            return saved
                        })
                }
            }
        }
        command?.save(to: store, context, completion)
    }

    /// A retry of what was saved before is answered again, even if rules would refuse it now.
    private func refuse(
        _ error: StateError, to store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        guard case .stateInvalid = error, let idempotencyKey else {
            return context.executor.execute { completion(.failure(error)) }
        }
        store.submit(RecordedSave.query(tenant: key.tenant, idempotencyKey: idempotencyKey), context) { recorded in
            if case .success(let record?) = recorded, record.requestDigest == requestDigest { return completion(.success(record.saved)) }
            completion(.failure(error))
        }
    }

    private func save(
        to store: StateStore, _ context: OperationContext, _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        let change = Change(key, store.resources, .save(SaveChange(self, store.resources)))
        guard let notification else { return store.submit(change, context, completion) }
        store.submit(change, context) { (result: Result<SavedVersion, StateError>) in
            if case .success(let saved) = result, !saved.replayed { store.log(notification, about: key) }
            completion(result)
        }
    }
}
