import FlowModel

/// A definition with the revision that it is.
struct FoundDefinition: Sendable {
    let definition: FlowDefinition
    let revision: Int64
}

extension StateStore {
    /// The definition that a flow follows; nil when there is none.
    ///
    /// - Parameter completion: on the context's executor, or before this returns.
    func definition(
        for head: FlowHead, _ context: OperationContext, _ completion: @escaping @Sendable (Result<FoundDefinition?, StateError>) -> Void
    ) throws(StateError) {
        try definition(of: head.flowType, revision: head.definitionRevision, tenant: head.key.tenant, context, completion)
    }

    /// A definition of a type; nil when there is none.
    ///
    /// - Parameters:
    ///   - revision: nil: the latest.
    ///   - completion: on the context's executor, or before this returns.
    func definition(
        of flowType: String, revision: Int64? = nil, tenant: String, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<FoundDefinition?, StateError>) -> Void
    ) throws(StateError) {
        if flowType.isEmpty { return completion(.success(nil)) }
        let definitions = resources.definitions
        if let revision, let known = definitions.known(flowType, revision, tenant: tenant) {
            return completion(.success(FoundDefinition(definition: known, revision: revision)))
        }
        try GetDefinitionCommand(tenant: tenant, flowType: flowType, revision: revision).submit(to: self, context: context) { result in
            switch result {
            case .success(let record):
                completion(
                    Result { () throws(StateError) in
                        FoundDefinition(definition: try definitions.definition(record, tenant: tenant), revision: record.revision)
                    })
            case .failure(.definitionNotFound): completion(.success(nil))
            case .failure(let error): completion(.failure(error))
            }
        }
    }

    /// As above, for tasks.
    func definition(
        of flowType: String, revision: Int64?, tenant: String, deadline: ContinuousClock.Instant? = nil
    ) async throws(StateError) -> FlowDefinition? {
        if flowType.isEmpty { return nil }
        if let revision, let known = resources.definitions.known(flowType, revision, tenant: tenant) { return known }
        do throws(StateError) {
            let record = try await run(
                GetDefinitionCommand(tenant: tenant, flowType: flowType, revision: revision), deadline: deadline)
            return try resources.definitions.definition(record, tenant: tenant)
        } catch .definitionNotFound(_, _) {
            return nil
        }
    }
}
