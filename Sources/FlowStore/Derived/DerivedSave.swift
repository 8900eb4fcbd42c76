import FlowModel
import Postgres

/// A save whose state is made from the latest version: loads it, makes the next one, and saves that with the version expected that it was
/// made from. If somebody else saves in between, all of it is done again, unless the client said which version it means.
struct DerivedSave: Sendable {
    enum Outcome: Sendable {
        /// What was saved, after what.
        case saved(SavedVersion, SaveCommand, after: Snapshot, FlowDefinition?)
        /// The idempotency key was used before: this was answered then.
        case replayed(SavedVersion)
    }

    typealias Completion = @Sendable (Result<Outcome, StateError>) -> Void

    let key: FlowKey
    let precondition: Precondition
    let idempotencyKey: String?
    /// Identifies the request beside its key: the state that is made differs from version to version, the request does not.
    let requestDigest: [UInt8]
    /// Whether `derive` asks for the definition of the flow's type.
    let needsDefinition: Bool
    /// Bytes that `derive` goes through besides the state.
    let inputBytes: Int
    /// Makes the next version; its precondition, key and digest are set by the caller. Pure; may run on any thread.
    let derive: @Sendable (Snapshot, FlowDefinition?) throws(StateError) -> SaveCommand

    func submit(to store: StateStore, _ context: OperationContext, _ completion: @escaping Completion) throws(StateError) {
        if case .expected(let version) = precondition, version < 1 {
            throw .invalidArgument(field: "expected_version", message: "is \(version); the flow must exist, so use a version from 1")
        }
        guard let idempotencyKey else { return try attempt(1, store, context, completion) }
        try NameRule.check(idempotencyKey, field: "idempotency_key", maximumBytes: store.limits.idempotencyKeyBytes)
        // One that was answered before is answered again, even if it could no longer be done.
        store.submit(RecordedSave.query(tenant: key.tenant, idempotencyKey: idempotencyKey), context) { result in
            completing(completion) { () throws(StateError) in
                guard let record = try result.get() else { return try attempt(1, store, context, completion) }
                guard record.requestDigest == requestDigest else { throw .idempotencyKeyReused(key: idempotencyKey) }
                completion(.success(.replayed(record.saved)))
            }
        }
    }

    private func attempt(
        _ number: Int, _ store: StateStore, _ context: OperationContext, _ completion: @escaping Completion
    ) throws(StateError) {
        try LoadCommand(key: key).submit(to: store, context: context) { result in
            completing(completion) { () throws(StateError) in
                guard case .snapshot(let snapshot) = try result.get() else { throw .internalFault("a load without a state") }
                let version = snapshot.version.version
                if case .expected(let expected) = precondition, expected != version {
                    throw .versionConflict(flowID: key.flowID, expected: expected, actual: version)
                }
                guard needsDefinition else { return make(snapshot, nil, number, store, context, completion) }
                try store.definition(of: snapshot.head.flowType, tenant: key.tenant, context) { found in
                    completing(completion) { () throws(StateError) in
                        make(snapshot, try found.get()?.definition, number, store, context, completion)
                    }
                }
            }
        }
    }

    private func make(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, _ number: Int, _ store: StateStore, _ context: OperationContext,
        _ completion: @escaping Completion
    ) {
        let size = snapshot.state.count + inputBytes
        context.compute(
            definition?.validationSize(size) ?? size,
            { made in
                completing(completion) { () throws(StateError) in
                    try save(try made.get(), after: snapshot, definition, number, store, context, completion)
                }
            }
        ) { () throws(StateError) in try derive(snapshot, definition) }
    }

    private func save(
        _ made: SaveCommand, after snapshot: Snapshot, _ definition: FlowDefinition?, _ number: Int, _ store: StateStore,
        _ context: OperationContext,
        _ completion: @escaping Completion
    ) throws(StateError) {
        var command = made
        command.precondition = .expected(snapshot.version.version)
        command.idempotencyKey = idempotencyKey
        command.requestDigest = requestDigest
        try command.submit(to: store, context: context) { [command] result in
            switch result {
            case .success(let saved) where saved.replayed: completion(.success(.replayed(saved)))
            case .success(let saved): completion(.success(.saved(saved, command, after: snapshot, definition)))
            case .failure(.versionConflict) where precondition.expectedVersion == nil && number < Change.maximumAttempts:
                completing(completion) { () throws(StateError) in try attempt(number + 1, store, context, completion) }
            case .failure(.versionConflict) where precondition.expectedVersion == nil: completion(.failure(.contention))
            case .failure(let error): completion(.failure(error))
            }
        }
    }
}
