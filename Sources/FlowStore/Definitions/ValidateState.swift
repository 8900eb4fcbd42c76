import FlowModel

extension ValidateStateCommand: StoreCommand {
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<ValidatedState, StateError>) -> Void
    ) throws(StateError) {
        if let flowType { try NameRule.check(flowType, field: "flow_type", maximumBytes: store.limits.idBytes) }
        switch subject {
        case .state(let state, let flowType):
            if state.count > store.limits.stateBytes {
                throw .tooLarge(what: "state", size: state.count, limit: store.limits.stateBytes)
            }
            try validate(state, version: 0, flowType: flowType, revision: nil, isNamed: true, store, context, completion)
        case .flow(let key):
            try LoadCommand(key: key).submit(to: store, context: context) { result in
                do throws(StateError) {
                    guard case .snapshot(let snapshot) = try result.get() else { throw .internalFault("a load without a state") }
                    try validate(
                        snapshot.state, version: snapshot.version.version, flowType: flowType ?? snapshot.head.flowType,
                        revision: flowType == nil ? snapshot.head.definitionRevision : nil, isNamed: flowType != nil, store, context,
                        completion)
                } catch {
                    completion(.failure(error))
                }
            }
        }
    }

    /// - Parameters:
    ///   - revision: nil: the latest.
    ///   - isNamed: the request names the type, which must have a definition then. The flow's own type may have none, and so no rules.
    private func validate(
        _ state: [UInt8], version: FlowVersion, flowType: String, revision: Int64?, isNamed: Bool, _ store: StateStore,
        _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<ValidatedState, StateError>) -> Void
    ) throws(StateError) {
        let (depth, limits) = (depth, store.limits)
        try store.definition(of: flowType, revision: revision, tenant: tenant, context) { result in
            do throws(StateError) {
                let found = try result.get()
                if found == nil, isNamed { throw .definitionNotFound(flowType: flowType, revision: 0) }
                store.compute([state], context, completion) { budget throws(StateError) in
                    let report = try found.map { (found) throws(StateError) in
                        try StateValidator(found.definition, limits: limits).validate(state, depth: depth, budget: budget)
                    }
                    return ValidatedState(
                        report: report ?? ValidationReport(), flowType: flowType, definitionRevision: found?.revision ?? 0,
                        version: version)
                }
            } catch {
                completion(.failure(error))
            }
        }
    }
}
