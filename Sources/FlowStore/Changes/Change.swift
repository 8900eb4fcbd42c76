import FlowModel
import Postgres

/// A change of a flow, as a writer's lane runs it. Saves of a batch share statements; everything else has its own.
///
/// A class, since it is handed on several times and has many fields.
final class Change: Sendable {
    enum Work: Sendable {
        case save(SaveChange)
        case statement(SingleStatement)
    }

    /// One statement, what its row means, and what the cache must forget.
    struct SingleStatement: Sendable {
        /// It changes the flow if its head is held (`HeadLock`).
        let statement: Statement
        /// The same for a head that is not; nil: it locks something else first, so it always goes behind `HeadLock`.
        var first: Statement?
        let parameters: Parameters
        let decode: @Sendable (ResultRows) throws(PostgresError) -> Answer
    }

    /// Each further attempt means that somebody else's change of the same flow was committed meanwhile.
    static let maximumAttempts = 100

    let key: FlowKey
    let shard: UInt64
    let resources: StoreResources
    let work: Work
    let progress: Progress

    struct Progress: Sendable {
        /// A save whose group was not written: its own statement can tell why.
        var runsAlone = false
        /// There was no such flow when it was last tried, as far as that can be told.
        var seemsAbsent = false
        /// The bases of the flow were read for it, and could be.
        var hasFetched = false
        var fetched: VersionChain?
        /// How often its own statement was run.
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
    /// Two tries of one request that makes a flow with a generated id have a key in common, and no flow: they meet at the key.
    private static func shard(_ key: FlowKey, _ work: Work) -> UInt64 {
        if case .save(let save) = work, save.command.hasGeneratedFlowID, let idempotencyKey = save.command.idempotencyKey {
            return Digest.shard(of: key.tenant, idempotencyKey)
        }
        return Digest.shard(of: key)
    }

    /// Whether the first row that its statement locks is the head of its flow.
    var locksHeadFirst: Bool {
        guard case .statement(let single) = work else { return true }
        return single.first != nil
    }

    /// It makes a flow that nobody else can ask for yet.
    var makesFlowID: Bool {
        guard case .save(let save) = work else { return false }
        return save.command.hasGeneratedFlowID
    }

    /// Whether it does nothing unless there is no such flow.
    var mustCreate: Bool {
        guard case .save(let save) = work else { return false }
        return save.command.precondition == .expected(0)
    }

    /// Whether it makes the flow when there is none.
    var mayCreate: Bool {
        guard case .save(let save) = work else { return false }
        return mustCreate || save.command.precondition.expectedVersion == nil && save.command.parentVersion == nil
    }

    /// What PostgreSQL has to store, as far as that is known before its batch: a state that is packed in it is small.
    var storedBytes: Int {
        switch work {
        case .save(let save): save.packedBytes
        case .statement(let single): single.parameters.byteCount
        }
    }

    /// Of a save.
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
        case .raced:
            guard progress.attempts < Self.maximumAttempts else { return .finished(.failure(.contention)) }
            return .again(self)
        }
    }
}
