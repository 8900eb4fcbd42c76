import FlowModel

extension LoadCommand: StoreCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(
        on store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<LoadOutcome, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        store.load(self, context) { completion($0.map(\.outcome)) }
    }
}

extension StateStore {
    /// - Parameter completion: on the context's executor, or on a thread of the scheduler.
    func load(
        _ command: LoadCommand, _ context: OperationContext, _ completion: @escaping @Sendable (Result<LoadedState, StateError>) -> Void
    ) {
        LoadOperation(command, self, context, completion).begin()
    }
}
