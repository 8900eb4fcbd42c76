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
        let statement: Statement
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
        shard = Digest.shard(of: key)
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

    /// A flow's changes lock its head; its shard is a hash of its key, the same on every server.
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
