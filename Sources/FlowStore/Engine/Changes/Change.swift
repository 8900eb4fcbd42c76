import FlowModel
import Postgres

/// A change of a flow, as a writer's connection group runs it. Saves of a batch share statements; every other change has its own.
///
/// A class, since it has many fields and is passed on several times.
final class Change: Sendable {
    enum Work: Sendable {
        case save(SaveChange)
        case statement(SingleStatement)
    }

    /// One statement, its parameters, and the decoder of its row.
    struct SingleStatement: Sendable {
        /// For a flow whose head the transaction has locked (`HeadLock`).
        let statement: Statement
        /// For a flow whose head is not locked yet; nil: the statement locks something else first, so it always runs behind `HeadLock`.
        var first: Statement?
        let parameters: Parameters
        let decode: @Sendable (ResultRows) throws(PostgresError) -> Answer
    }

    /// Each further attempt means that another change of the same flow was committed meanwhile.
    static let maximumAttempts = 100

    let key: FlowKey
    let shard: UInt64
    let resources: StoreResources
    let work: Work
    let progress: Progress

    struct Progress: Sendable {
        /// Set for a save whose group was not written: its own statement can tell why.
        var runsAlone = false
        /// The flow did not exist at the last attempt, as far as that can be told.
        var seemsAbsent = false
        /// Whether the bases of the flow were read for the change, and the result if they could be.
        var hasFetched = false
        var fetched: VersionChain?
        /// Attempts of its own statement.
        var attempts = 0
    }

    init(_ key: FlowKey, _ resources: StoreResources, _ work: Work) {
        self.key = key
        self.resources = resources
        self.work = work
        shard = Self.shard(key, work)
        progress = Progress()
    }

    /// The same change with another progress.
    init(_ change: Change, _ edit: (inout Progress) -> Void) {
        key = change.key
        resources = change.resources
        work = change.work
        shard = change.shard
        var progress = change.progress
        edit(&progress)
        self.progress = progress
    }
}

extension Change {
    /// Tries of one request that creates a flow with a generated id share the idempotency key, but not the flow id: they conflict at the
    /// key.
    private static func shard(_ key: FlowKey, _ work: Work) -> UInt64 {
        if case .save(let save) = work, save.command.hasGeneratedFlowID, let idempotencyKey = save.command.idempotencyKey {
            return Shard.of(key.tenant, idempotencyKey)
        }
        return Shard.of(key)
    }

    /// Whether the first row that its statement locks is the head of its flow.
    var locksHeadFirst: Bool {
        guard case .statement(let single) = work else { return true }
        return single.first != nil
    }

    /// Whether it creates a flow whose id no other request can know yet.
    var makesFlowID: Bool {
        guard case .save(let save) = work else { return false }
        return save.command.hasGeneratedFlowID
    }

    /// Whether it does nothing if the flow exists.
    var mustCreate: Bool {
        guard case .save(let save) = work else { return false }
        return save.command.precondition == .expected(0)
    }

    /// Whether it creates the flow if there is none.
    var mayCreate: Bool {
        guard case .save(let save) = work else { return false }
        return mustCreate || save.command.precondition.expectedVersion == nil && save.command.parentVersion == nil
    }

    /// Bytes that PostgreSQL has to store, as far as known before the batch: a state that is packed in the batch is small.
    var storedBytes: Int {
        switch work {
        case .save(let save): save.packedBytes
        case .statement(let single): single.parameters.byteCount
        }
    }

    /// Bytes of the state, if it is a save.
    var stateBytes: Int {
        guard case .save(let save) = work else { return 0 }
        return save.command.state.count
    }
}

extension Change: Postgres.Operation {
    typealias Outcome = Result<ChangeOutcome, StateError>

    var cost: Int {
        switch work {
        case .save(let save):
            save.command.state.count + save.command.metadata.count + (progress.fetched?.byteCount ?? 0) + 512
        case .statement(let single): single.parameters.byteCount + 256
        }
    }

    /// A flow's changes lock its head first; its shard is a hash of its key, the same on every server.
    var lockOrder: UInt64? { shard }

    static func enqueue(_ changes: [Change], into pipeline: inout Pipeline) -> ChangeBatch {
        var batch = ChangeBatch(changes)
        batch.enqueue(changes, into: &pipeline)
        return batch
    }

    static func isFinal(_ results: [ResultRows], layout: ChangeBatch) -> Bool { layout.isFinal(results) }

    static func decode(
        _ results: [ResultRows], of changes: [Change], layout: ChangeBatch
    ) -> [Result<Step<Change>, PostgresError>] {
        layout.decode(results, of: changes)
    }

    // MARK: One statement of its own

    func step(_ answer: Answer) -> Step<Change> {
        switch answer {
        case .done(let outcome): return .finished(.success(outcome))
        case .refused(let error): return .finished(.failure(error))
        case .retry:
            guard progress.attempts < Self.maximumAttempts else { return .finished(.failure(.contention)) }
            return .again(self)
        }
    }
}
