import FlowModel

/// A definition with the revision that it is.
struct FoundDefinition: Sendable {
    let definition: FlowDefinition
    let revision: Int64
}

extension StateStore {
    /// The latest definition of a type; nil when there is none.
    ///
    /// - Parameter completion: on the context's executor, or before this returns.
    func definition(
        of flowType: String, tenant: String, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<FoundDefinition?, StateError>) -> Void
    ) throws(StateError) {
        if flowType.isEmpty { return completion(.success(nil)) }
        let definitions = resources.definitions
        try GetDefinitionCommand(tenant: tenant, flowType: flowType).submit(to: self, context: context) { result in
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
}
