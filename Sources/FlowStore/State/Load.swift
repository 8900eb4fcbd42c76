import FlowModel

extension LoadCommand: StoreCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(
        on store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<LoadOutcome, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        if let wait = waitMilliseconds, wait > 0 {
            return try WaitingLoad(load: self, milliseconds: wait).run(on: store, context: context, completion: completion)
        }
        if renewsTTL { return try RenewingLoad(self).run(on: store, context: context, completion: completion) }
        guard includesWrites else { return LoadOperation(self, store, context, .outcome(completion)).begin() }
        let load = LoadOperation(
            self, store, context,
            .outcome { result in
                switch result {
                case .success(let outcome): addWrites(to: outcome, in: store, context, completion)
                case .failure: completion(result)
                }
            })
        load.begin()
    }
}
