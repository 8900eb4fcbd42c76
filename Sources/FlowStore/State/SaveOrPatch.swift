import FlowModel

extension SaveOrPatchCommand: StoreCommand {
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        switch self {
        case .save(let command): try command.submit(to: store, context: context, completion: completion)
        case .patch(let command): try command.submit(to: store, context: context, completion: completion)
        }
    }
}
