import FlowModel

extension SaveOrPatchCommand: StoreCommand {
    package func check(limits: Limits) throws(StateError) {
        switch self {
        case .save(let command): try command.check(limits: limits)
        case .patch(let command): try command.check(limits: limits)
        }
    }

    package func run(
        on store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        switch self {
        case .save(let command): try command.run(on: store, context: context, completion: completion)
        case .patch(let command): try command.run(on: store, context: context, completion: completion)
        }
    }
}
