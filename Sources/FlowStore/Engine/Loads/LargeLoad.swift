import FlowModel

/// The result of a load, and the bases of the next version, if they were read. A class: it has two dozen fields, and is passed on several
/// times.
final class LoadedState: Sendable {
    let outcome: LoadOutcome
    let chain: VersionChain?

    init(_ outcome: LoadOutcome, chain: VersionChain? = nil) {
        self.outcome = outcome
        self.chain = chain
    }

    /// Nil: the client has the version, and only that was answered.
    var head: FlowHead? { if case .snapshot(let snapshot) = outcome { snapshot.head } else { nil } }
    /// Of the head, without copying all of it.
    var flowType: String? { if case .snapshot(let snapshot) = outcome { snapshot.head.flowType } else { nil } }
    var bytes: (state: Int, metadata: Int) {
        if case .snapshot(let snapshot) = outcome { (snapshot.state.count, snapshot.version.metadata.count) } else { (0, 0) }
    }
}

/// A large state as stored, and the load that asked for it. A class, as above.
final class UnreadState: Sendable {
    let row: LoadRow
    let operation: LoadOperation

    init(_ row: LoadRow, of operation: LoadOperation) {
        self.row = row
        self.operation = operation
    }
}

extension StateStore {
    /// Loads a version; a large state is read on a thread of the scheduler, where neither calls nor other loads wait for it.
    ///
    /// - Parameter completion: on the context's executor, or on a thread of the scheduler.
    func load(
        _ command: LoadCommand, _ context: OperationContext, _ completion: @escaping @Sendable (Result<LoadedState, StateError>) -> Void
    ) {
        load(LoadOperation(command, resources, context.memory), context, completion)
    }

    private func load(
        _ operation: LoadOperation, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<LoadedState, StateError>) -> Void
    ) {
        enqueue(operation, context) { [self] result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(.state(let state)): completion(.success(state))
            case .success(.large(let operation)): load(operation, context, completion)
            case .success(.unread(let unread)): read(unread.row, unread.operation, context, completion)
            }
        }
    }

    private func read(
        _ row: LoadRow, _ operation: LoadOperation, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<LoadedState, StateError>) -> Void
    ) {
        let resources = operation.resources
        let finish: @Sendable (Result<LoadedState, StateError>) -> Void = { [self] result in
            // One of the copies that reading took is left.
            context.memory?.memory.release((LoadOperation.largeCopies - 1) * Int(clamping: row.version?.size ?? 0))
            if case .failure(let error) = result {
                if let again = operation.again(after: error) { return load(again, context, completion) }
                log(error)
            }
            completion(result)
        }
        schedule(.short, context, finish) { () throws(StateError) in
            try row.read(resources).get()
        }
    }
}
