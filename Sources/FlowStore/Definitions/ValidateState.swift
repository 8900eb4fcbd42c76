import FlowModel

extension ValidateStateCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        if let flowType { try NameRule.check(flowType, field: "flow_type", maximumBytes: limits.idBytes) }
        guard case .state(let state, _) = subject, state.count > limits.stateBytes else { return }
        throw .tooLarge(what: "state", size: state.count, limit: limits.stateBytes)
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> ValidatedState {
        switch subject {
        case .state(let state, let flowType):
            return try await validate(state, version: 0, flowType: flowType, revision: nil, isNamed: true, in: store, for: context)
        case .flow(let key):
            let snapshot = try await store.snapshot(of: key, for: context)
            return try await validate(
                snapshot.state, version: snapshot.version.version, flowType: flowType ?? snapshot.head.flowType,
                revision: flowType == nil ? snapshot.head.definitionRevision : nil, isNamed: flowType != nil, in: store, for: context)
        }
    }

    /// - Parameters:
    ///   - revision: nil: the latest.
    ///   - isNamed: the request names the type, which must have a definition then. The flow's own type may have none, and so no rules.
    private func validate(
        _ state: [UInt8], version: FlowVersion, flowType: String, revision: Int64?, isNamed: Bool, in store: StateStore,
        for context: OperationContext
    ) async throws(StateError) -> ValidatedState {
        let (depth, limits) = (depth, store.limits)
        let found = try await store.definition(of: flowType, revision: revision, tenant: tenant, context)
        if found == nil, isNamed { throw .definitionNotFound(flowType: flowType, revision: 0) }
        return try await store.compute([state], context) { budget throws(StateError) in
            let report = try found.map { (found) throws(StateError) in
                try StateValidator(found.definition, limits: limits).validate(state, depth: depth, budget: budget)
            }
            return ValidatedState(
                report: report ?? ValidationReport(), flowType: flowType, definitionRevision: found?.revision ?? 0, version: version)
        }
    }
}
