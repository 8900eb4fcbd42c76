import FlowModel

extension StateStore {
    /// What a load answers, and what the next version can be stored against, if that was read.
    struct LoadedState: Sendable {
        let outcome: LoadOutcome
        var chain: VersionChain?
    }

    /// Loads a version; a large state is read on a thread of the scheduler, where neither calls nor other loads wait for it.
    ///
    /// - Parameter completion: on the context's executor, or on a thread of the scheduler.
    func load(
        _ command: LoadCommand, _ context: OperationContext, _ completion: @escaping @Sendable (Result<LoadedState, StateError>) -> Void
    ) {
        load(LoadOperation(command, resources, context), context, completion)
    }

    private func load(
        _ operation: LoadOperation, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<LoadedState, StateError>) -> Void
    ) {
        submit(operation, context) { [self] result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(.outcome(let outcome, let chain)): completion(.success(LoadedState(outcome: outcome, chain: chain)))
            case .success(.unread(let row, let operation)): read(row, operation, context, completion)
            }
        }
    }

    private func read(
        _ row: LoadRow, _ operation: LoadOperation, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<LoadedState, StateError>) -> Void
    ) {
        let resources = operation.resources
        let finish: @Sendable (Result<LoadedState, StateError>) -> Void = { [self] result in
            // Of the copies that reading took one is left.
            context.memory?.memory.release(2 * Int(clamping: row.version?.size ?? 0))
            if case .failure(let error) = result {
                if let again = operation.again(after: error) { return load(again, context, completion) }
                log(error)
            }
            completion(result)
        }
        schedule(.short, context, finish) { () throws(StateError) in
            let read = try row.read(resources).get()
            return LoadedState(outcome: .snapshot(read.snapshot), chain: read.chain)
        }
    }
}
