import FlowModel

extension LoadCommand: StoreCommand {
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<LoadOutcome, StateError>) -> Void
    ) throws(StateError) {
        try StateCheck(limits: store.limits).check(self)
        store.load(self, context) { completion($0.map(\.outcome)) }
    }
}
