import Compression
import FlowModel
import JSON
import Postgres

/// A change of a flow, as a writer's connection group runs it. Saves of a batch share statements, and so do new checkpoints; every other
/// change has its own.
///
/// `@unchecked Sendable`: one owner at a time (`TransactionWork`). It is enqueued once.
final class Change: @unchecked Sendable {
    typealias Completion = @Sendable (Result<ChangeOutcome, StateError>) -> Void

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
        /// Whether it creates its flow, which must not exist.
        var createsFlow = false
        /// Whether it takes long, whatever its parameters.
        var isLarge = false
        /// The checkpoint that it creates, doing nothing else: such changes of a batch share a statement (`CheckpointGroupSQL`).
        var checkpoint: CreateCheckpointCommand?
        let decode: @Sendable (ResultRows) throws(PostgresError) -> Answer
    }

    let key: FlowKey
    let shard: UInt64
    let resources: StoreResources
    let work: Work
    var rounds = ChangeRounds()
    private var outcome: Result<ChangeOutcome, StateError>?
    private var completion: Completion?
    private var ticket: ChangesUnderWay.Ticket?

    init(_ key: FlowKey, _ resources: StoreResources, _ work: Work) {
        self.key = key
        self.resources = resources
        self.work = work
        shard = Self.shard(key, work)
    }

    /// Before it is enqueued.
    ///
    /// - Parameter ticket: nil: changes that are to run behind this one wait for it in another way.
    func begin(_ ticket: ChangesUnderWay.Ticket?, _ completion: @escaping Completion) {
        self.ticket = ticket
        self.completion = completion
    }

    func finish(_ result: Result<ChangeOutcome, StateError>) { outcome = result }
}

extension Change: TransactionWork {
    var cost: Int {
        switch work {
        case .save(let save):
            save.command.state.count + save.command.metadata.count + save.command.writes.byteCount
                + (rounds.readBases?.byteCount ?? 0) + 512
        case .statement(let single): single.parameters.byteCount + 256
        }
    }

    /// A flow's changes lock its head first; its shard is a hash of its key, the same on every server.
    var lockOrder: UInt64? { shard }
    var isUnfinished: Bool { outcome == nil }

    func unit(of works: [any TransactionWork]) -> any TransactionUnit { ChangeBatch(works.compactMap { $0 as? Change }) }

    func fail(_ error: PostgresError) { finish(.failure(StateError(error))) }

    func deliver() {
        guard let outcome = outcome.take(), let completion = completion.take() else { return }
        if let ticket { resources.changes.end(ticket) }
        completion(outcome)
    }
}

/// The round trips of a change as a state machine. Pure: it says how the next attempt is made.
///
///     first ──its bases are not in the cache──▶ first, with the bases that were read
///       │──its group was not written──▶ alone
///       │──its own statement ran, but another change came in between──▶ again, up to 100 times
///     alone ──likewise──▶ alone
struct ChangeRounds: Sendable {
    private enum Bases {
        case unread
        /// nil: they could not be read, and the state is stored whole.
        case read(VersionChain?)
    }

    /// Each further attempt means that another change of the same flow was committed meanwhile.
    static let maximumAttempts = 100

    /// Whether the group of the change was not written: its own statement can tell why.
    private(set) var isAlone = false
    /// The flow did not exist at the last attempt, as far as that can be told.
    private(set) var seemsAbsent = false
    private var bases = Bases.unread
    /// Attempts of its own statement.
    private(set) var attempts = 0

    /// - Parameter isNew: whether the group creates its flow.
    mutating func groupWasNotWritten(isNew: Bool) {
        isAlone = true
        seemsAbsent = !isNew
    }

    mutating func basesWereRead(_ chain: VersionChain?) { bases = .read(chain) }

    /// - Parameter foundFlow: whether its statement found the flow, as far as that can be told.
    mutating func ownStatementRan(foundFlow: Bool) {
        attempts += 1
        seemsAbsent = !foundFlow
    }

    /// Whether the bases of the flow were looked for.
    var hasReadBases: Bool { if case .read = bases { true } else { false } }

    var isExhausted: Bool { attempts >= Self.maximumAttempts }

    var readBases: VersionChain? { if case .read(let chain) = bases { chain } else { nil } }
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
        switch work {
        // What these compare beside the head must be as it is when that is locked.
        case .save(let save): save.command.precondition.expectedLabel == nil && !save.command.revives
        case .statement(let single): single.first != nil
        }
    }

    /// The checkpoint that it creates, if that can share a statement.
    var sharedCheckpoint: CreateCheckpointCommand? {
        guard case .statement(let single) = work, !rounds.isAlone else { return nil }
        return single.checkpoint
    }

    /// Whether it creates a flow whose id no other request can know yet.
    var makesFlowID: Bool {
        guard case .save(let save) = work else { return false }
        return save.command.hasGeneratedFlowID
    }

    /// Whether it does nothing if the flow exists.
    var mustCreate: Bool {
        switch work {
        case .save(let save): save.command.precondition == .expected(0) && !save.command.revives
        case .statement(let single): single.createsFlow
        }
    }

    /// Whether it creates the flow if there is none.
    var mayCreate: Bool {
        guard case .save(let save) = work else { return mustCreate }
        return mustCreate
            || save.command.precondition.mayBeAbsent && save.command.parentVersion == nil && save.command.leaseToken == nil
    }

    /// Bytes that PostgreSQL has to store, as far as known before the batch: a state that is packed in the batch is small.
    var storedBytes: Int {
        switch work {
        case .save(let save): save.packedBytes + save.command.writes.byteCount
        case .statement(let single): single.isLarge ? .max : single.parameters.byteCount
        }
    }

    /// Bytes of the state, if it is a save.
    var stateBytes: Int {
        guard case .save(let save) = work else { return 0 }
        return save.command.state.count
    }
}

/// A checked save, and what is computed from it once.
final class SaveChange: Sendable {
    let command: SaveCommand
    /// The digest of the state.
    let digest: [UInt8]
    /// The digest of the request, for its idempotency record; empty without a key.
    let requestDigest: [UInt8]
    /// A small state is packed on the caller's thread, while the connections' threads wait for PostgreSQL; nil: it is packed in its batch.
    private let packed: StoredState?
    /// `StoreResources.history` when it was packed.
    private let history: Int

    /// The largest state that an event loop packs: it takes as long as checking that it is JSON, some 20 µs.
    private static let packedAtOnce = 8 << 10
    /// A larger state is packed before it is queued, on a thread for which neither calls nor other saves wait.
    static let packedApart = 32 << 10

    /// - Parameters:
    ///   - chain: the bases of the flow, when they are not in the cache.
    ///   - storedWhole: without a base, whatever is known of the flow.
    init(_ command: SaveCommand, _ resources: StoreResources, after chain: VersionChain? = nil, storedWhole: Bool = false) {
        self.command = command
        history = resources.history
        canShareStatement =
            command.checkpoint == nil && command.writes.isEmpty && command.parentVersion == nil && command.quarantine == nil
            && command.notification == nil && command.overdue == nil
            && command.kind != .definitionMoved && command.precondition.expectedLabel == nil && !command.revives
        if let parts = command.parts {
            packed = StoredState(codec: .parts, bytes: parts.reference)
            digest = parts.digest
            requestDigest = Self.requestDigest(command, digest)
            return
        }
        let size = command.state.count
        let isPacked = storedWhole || size < min(resources.limits.baseFetchBytes, Self.packedAtOnce) || size > Self.packedApart
        packed =
            isPacked
            ? StateCompression.store(
                command.state,
                after: storedWhole || command.precondition == .expected(0) ? nil : chain ?? resources.cache.lookup(command.key)?.chain,
                resources.zstd) : nil
        digest = XXH3.digest(command.state)
        requestDigest = Self.requestDigest(command, digest)
    }

    private static func requestDigest(_ command: SaveCommand, _ digest: [UInt8]) -> [UInt8] {
        command.idempotencyKey == nil ? [] : command.requestDigest ?? command.requestDigest("save", content: digest)
    }

    /// The packed state, unless a connection was lost since: the database behind the next one may not have the base.
    func packed(in resources: StoreResources) -> StoredState? {
        guard let packed, packed.base == nil || history == resources.history else { return nil }
        return packed
    }

    /// Bytes of the packed state; 0: it is small, and packed in its batch.
    var packedBytes: Int { packed?.bytes.count ?? 0 }

    /// Whether it can share a statement with other saves: not if it needs look-ups beside that of the flow.
    let canShareStatement: Bool

    /// The version as it was saved.
    ///
    /// - Parameter old: what was known of the version before.
    /// - Returns: nil: not all of it is known here.
    func record(_ version: FlowVersion, at time: Timestamp, head: FlowHead, after old: CachedVersion?) -> VersionRecord? {
        // Only the head itself knows how long the flow lives when this save does not say.
        if command.ttlMilliseconds == nil, head.expiresAt != nil { return nil }
        var parent = command.parentVersion ?? (version == 1 ? nil : version - 1)
        if let label = command.parentLabel {
            // Usually it is that of the version before. The newest version with a label is the parent.
            guard old?.version == version - 1, let known = old?.versionLabel, known.hasSameBytes(as: label) else { return nil }
            parent = old?.version
        }
        return VersionRecord(
            version: version, parentVersion: parent,
            kind: version == 1 ? .created : command.kind,
            actor: command.actor, contentType: command.contentType.text, size: command.stateSize, digest: digest,
            phase: head.phase, status: head.status, progress: head.progress, versionLabel: command.versionLabel,
            metadata: command.metadata, createdAt: time, checkpoints: [], parentLabel: command.parentLabel, tags: command.tags)
    }

    /// The head of a flow that this save creates.
    func newHead(_ key: FlowKey, at time: Timestamp) -> FlowHead {
        FlowHead(
            key: key, flowType: command.flowType ?? "", version: 1, phase: command.phase ?? "", status: command.status ?? "",
            progress: command.progress, labels: command.labels ?? .none, createdAt: time, updatedAt: time, deletedAt: nil,
            definitionRevision: command.definitionRevision, expiresAt: command.end(after: time),
            phaseDueAt: command.timeLimits?.phaseDue(after: time), statusDueAt: command.timeLimits?.statusDue(after: time))
    }
}

extension EnteredLimits {
    fileprivate func phaseDue(after time: Timestamp) -> Timestamp? { endsFlow ? nil : phase.map(time.adding) }
    fileprivate func statusDue(after time: Timestamp) -> Timestamp? { endsFlow ? nil : status.map(time.adding) }
}

extension Timestamp {
    fileprivate func adding(seconds: Int64) -> Timestamp { Timestamp(microseconds: microseconds + seconds * 1_000_000) }
}

extension SaveCommand {
    /// See `SaveParameter.isRare`.
    var hasRareValues: Bool {
        leaseToken != nil || parentLabel != nil || !tags.isEmpty || ttlMilliseconds != nil || timeLimits != nil || overdue != nil
            || kind == .definitionMoved
    }

    /// When a flow ends that this save gives a time to live.
    fileprivate func end(after time: Timestamp) -> Timestamp? {
        guard let milliseconds = ttlMilliseconds, milliseconds > 0 else { return nil }
        return Timestamp(microseconds: time.microseconds + milliseconds * 1_000)
    }

    /// The head after this save.
    func apply(to head: inout FlowHead, version: FlowVersion, at time: Timestamp) {
        head.version = version
        head.updatedAt = time
        applyLimits(to: &head, at: time)
        if let phase { head.phase = phase }
        if let status { head.status = status }
        if let progress { head.progress = progress }
        if let labels { head.labels = labels }
        if let labelChanges { head.labels = head.labels.applying(labelChanges) }
        if ttlMilliseconds != nil { head.expiresAt = end(after: time) }
        if kind == .definitionMoved { head.definitionRevision = definitionRevision }
    }

    /// As `DueSQL` does. Before phase and status are applied.
    private func applyLimits(to head: inout FlowHead, at time: Timestamp) {
        let isMoved = kind == .definitionMoved
        if isMoved || phase.map({ !$0.hasSameBytes(as: head.phase) }) ?? false { head.phaseDueAt = timeLimits?.phaseDue(after: time) }
        if isMoved || status.map({ !$0.hasSameBytes(as: head.status) }) ?? false { head.statusDueAt = timeLimits?.statusDue(after: time) }
        if timeLimits?.endsFlow ?? false { (head.phaseDueAt, head.statusDueAt) = (nil, nil) }
    }

    /// The digest of what the client asked for, without the caller and the ids that the server generated for this try.
    ///
    /// - Parameter digest: of the state, or of the patch from which it is derived.
    func requestDigest(_ operation: String, content digest: [UInt8]) -> [UInt8] {
        var content = RequestContent(operation: operation)
        content.append(hasGeneratedFlowID ? nil : key.flowID)
        content.append(precondition)
        content.append(Int64(kind.rawValue))
        content.append(digest)
        content.append(contentType.text)
        content.append(flowType)
        content.append(phase)
        content.append(status)
        content.append(progress.map { Int64(bitPattern: $0.bitPattern) })
        content.append(labels.map(LabelsJSON.encode))
        content.append(versionLabel)
        content.append(parentVersion)
        content.append(metadata)
        content.append(checkpoint.map { $0.name ?? "" })
        content.append(checkpoint?.description)
        content.append(writes)
        content.append(parentLabel, named: "parent_version_label")
        content.append(tags.isEmpty ? nil : LabelsJSON.encode(tags), named: "version_tags")
        content.append(revives ? "" : nil, named: "revive")
        content.append(ttlMilliseconds.map { "\($0)" }, named: "ttl")
        return content.digest
    }
}
