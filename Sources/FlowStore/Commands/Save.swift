import FlowModel

extension SaveCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        if wantsInitialState, let flowType {
            return try store.definition(of: flowType, tenant: key.tenant, context) { found in
                do throws(StateError) {
                    var command = self
                    let definition = try found.get()?.definition
                    command.state = try definition?.initialState(of: key.flowID, at: SystemClock.now, limits: store.limits) ?? []
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
            case .failure(let error): context.executor.execute { completion(.failure(error)) }
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
