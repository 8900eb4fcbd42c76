import FlowModel
import Postgres

/// A definition and its revision.
struct FoundDefinition: Sendable {
    let definition: FlowDefinition
    let revision: Int64
}

extension StateStore {
    /// A definition of a type; nil when there is none.
    ///
    /// - Parameters:
    ///   - revision: nil: the latest.
    ///   - completion: on any thread, or before this returns.
    func definition(
        of flowType: String, revision: Int64? = nil, tenant: String, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<FoundDefinition?, StateError>) -> Void
    ) throws(StateError) {
        if flowType.isEmpty { return completion(.success(nil)) }
        if let builtIn = BuiltInDefinitions.record(flowType) {
            let isThere = revision == nil || revision == builtIn.revision
            let definition = isThere ? BuiltInDefinitions.definition(flowType) : nil
            return completion(.success(definition.map { FoundDefinition(definition: $0, revision: builtIn.revision) }))
        }
        enqueue(DefinitionReference.query(tenant: tenant, flowType: flowType, revision: revision), context) { [self] result in
            completing(completion) { () throws(StateError) in
                guard let reference = try result.get() else { return completion(.success(nil)) }
                definition(reference, caller: context.caller, completion)
            }
        }
    }

    /// As above, for tasks.
    func definition(
        of flowType: String, revision: Int64?, tenant: String, _ context: OperationContext
    ) async throws(StateError) -> FoundDefinition? {
        try await wait(context) { (context, completion) throws(StateError) in
            try definition(of: flowType, revision: revision, tenant: tenant, context, completion)
        }
    }

    /// As above, for tasks: the definition that a flow follows.
    func definition(for head: FlowHead, _ context: OperationContext) async throws(StateError) -> FoundDefinition? {
        try await definition(of: head.flowType, revision: head.definitionRevision, tenant: head.key.tenant, context)
    }

    /// The definition of a reference: from the cache, or else fetched and read on a thread of the scheduler.
    ///
    /// - Parameters:
    ///   - caller: takes turns for it.
    ///   - completion: on any thread, or before this returns.
    func definition(
        _ reference: DefinitionReference, caller: UInt64 = 0,
        _ completion: @escaping @Sendable (Result<FoundDefinition?, StateError>) -> Void
    ) {
        let answer = resources.definitions.answer(reference.digest) { definition in
            completion(definition.map { FoundDefinition(definition: $0, revision: reference.revision) })
        }
        switch answer {
        case .cached(let definition): completion(definition.map { FoundDefinition(definition: $0, revision: reference.revision) })
        case .waiting(isFirst: false): break
        case .waiting(isFirst: true): fetch(reference, caller)
        case .refused(let waiting):
            completion(
                .failure(
                    .overloaded(queued: waiting, limit: limits.queuedOperations, unit: "operations", retryAfterMilliseconds: 500)))
        }
    }

    /// As above, for tasks.
    func definition(_ reference: DefinitionReference) async throws(StateError) -> FoundDefinition? {
        try await withCheckedContinuation { continuation in
            definition(reference) { continuation.resume(returning: $0) }
        }.get()
    }

    /// Serves all calls that wait for it, so it has no deadline of its own.
    private func fetch(_ reference: DefinitionReference, _ caller: UInt64) {
        let definitions = resources.definitions
        enqueue(reference.documentQuery, OperationContext(caller: caller)) { [self] result in
            let document: [UInt8]
            switch result {
            case .success(let stored): document = stored
            case .failure(let error): return definitions.finishReading(reference.digest, .failure(error), isLasting: false)
            }
            let context = OperationContext(caller: Shard.of(reference.tenant, reference.flowType))
            let finish: @Sendable (Result<StoredDefinition, StateError>) -> Void = { reading in
                definitions.finishReading(
                    reference.digest, reading.flatMap(\.definition), isLasting: (try? reading.get().isLasting) ?? false)
            }
            schedule(.long, context, finish) { [self] () throws(StateError) in
                let stored = StoredDefinition(reading: document, reference, limits: limits) { self.scheduler.isStopping }
                if case .failure(let error) = stored.definition, stored.isLasting { log(error) }
                return stored
            }
        }
    }
}
