import FlowModel

extension LoadCommand: StoreCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(
        on store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<LoadOutcome, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        LoadOperation(self, store, context, .outcome(completion)).begin()
    }
}
