import FlowModel

extension SaveCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        try StateCheck(limits: store.limits).check(self)
        let isWaiting = try SaveValidation(command: self, store: store, context: context).begin { result in
            switch result {
            case .failure(let error): completion(.failure(error))
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
        if !isWaiting { save(to: store, context, completion) }
    }

    private func save(
        to store: StateStore, _ context: OperationContext, _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        store.submit(Change(key, store.resources, .save(SaveChange(self, store.resources))), context, completion)
    }
}
