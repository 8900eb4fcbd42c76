import FlowModel

extension SaveCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        try StateCheck(limits: store.limits).check(self)
        store.submit(Change(key, store.resources, .save(SaveChange(self, store.resources))), context, completion)
    }
}
