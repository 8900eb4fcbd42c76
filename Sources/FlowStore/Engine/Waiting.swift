import FlowModel
import Postgres

// What commands that run as tasks wait for.

extension StateStore {
    /// The result of something that calls back, on any thread.
    ///
    /// - Parameter begin: is called with a context whose completions run where they come up: the task returns to its executor by itself.
    func wait<Value: Sendable>(
        _ context: OperationContext,
        for begin: (OperationContext, @escaping @Sendable (Result<Value, StateError>) -> Void) throws(StateError) -> Void
    ) async throws(StateError) -> Value {
        var inline = context
        inline.executor = InlineExecutor.shared
        return try await withCheckedContinuation { continuation in
            do throws(StateError) {
                try begin(inline) { continuation.resume(returning: $0) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
    }

    /// The value of a query.
    ///
    /// - Parameter shard: selects the writer; nil: the query reads.
    func ask<Value>(_ query: Query<Value>, shard: UInt64? = nil, for context: OperationContext) async throws(StateError) -> Value {
        try await wait(context) { enqueue(query, shard: shard, $0, $1) }
    }

    /// A page of a list, within the memory that it may take.
    ///
    /// - Parameters:
    ///   - rows: the most rows that may come.
    ///   - rowBytes: the most bytes that each may take.
    ///   - surplus: rows that may be sent beyond those that fit into a page.
    func page<Element>(
        _ query: Query<Page<Element>>, rows: Int, rowBytes: Int, surplus: Int = 1, for context: OperationContext
    ) async throws(StateError) -> Page<Element> {
        try await wait(context) { enqueue(query, rows: rows, rowBytes: rowBytes, surplus: surplus, $0, $1) }
    }

    /// Makes a change that adds a version.
    func make(_ change: Change, for context: OperationContext) async throws(StateError) -> SavedVersion {
        try await wait(context) { enqueue(change, $0, $1) }
    }

    /// Makes a change with another outcome.
    func make<Value: Sendable>(
        _ change: Change, for context: OperationContext, _ outcome: @escaping @Sendable (ChangeOutcome) -> Value?
    ) async throws(StateError) -> Value {
        try await wait(context) { enqueue(change, $0, outcome, $1) }
    }

    /// Saves a state that the server has made for a request. It is checked like any other, and the next version follows the rules of the
    /// flow's type, as far as its kind has to.
    func save(_ command: SaveCommand, for context: OperationContext) async throws(StateError) -> SavedVersion {
        let limits = limits
        try await compute([command.state], context) { _ throws(StateError) in try StateCheck(limits: limits).check(command) }
        return try await withCheckedContinuation { (continuation: CheckedContinuation<Result<SavedVersion, StateError>, Never>) in
            do throws(StateError) {
                // Not as `wait` does it: validating and packing must not take a connection's thread.
                try command.validateAndWrite(to: self, context) { continuation.resume(returning: $0) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }.get()
    }

    /// Loads a version, if it is not the one that the command names.
    func load(_ command: LoadCommand, for context: OperationContext) async throws(StateError) -> LoadOutcome {
        try await wait(context) { (context, completion) throws(StateError) in
            try command.run(on: self, context: context, completion: completion)
        }
    }

    /// Loads a version, by default the latest.
    func snapshot(
        of key: FlowKey, _ selector: LoadSelector = .latest, for context: OperationContext
    ) async throws(StateError) -> Snapshot {
        try await snapshot(LoadCommand(key: key, selector: selector), for: context)
    }

    /// The head of a flow, which is not deleted.
    func head(of key: FlowKey, for context: OperationContext) async throws(StateError) -> FlowHead {
        var load = LoadCommand(key: key)
        load.findsParts = true
        return try await snapshot(load, for: context).head
    }

    /// The result of a load that reads the state.
    func snapshot(_ command: LoadCommand, for context: OperationContext) async throws(StateError) -> Snapshot {
        guard case .snapshot(let snapshot) = try await load(command, for: context) else {
            throw .internalFault("a load without a state")
        }
        return snapshot
    }
}
