import FlowModel
import Postgres
import Resources

/// A load, as a reader's connection group runs it: loads of newest versions share statements.
///
/// `@unchecked Sendable`: one owner at a time (`TransactionWork`).
final class LoadOperation: @unchecked Sendable {
    /// What the caller wants of the result. Two cases, since wrapping one completion in another allocates once a load.
    enum Completion {
        case outcome(@Sendable (Result<LoadOutcome, StateError>) -> Void)
        case state(@Sendable (Result<LoadedState, StateError>) -> Void)

        func call(_ result: Result<LoadedState, StateError>) {
            switch self {
            case .outcome(let completion): completion(result.map(\.outcome))
            case .state(let completion): completion(result)
            }
        }
    }

    fileprivate enum Outcome {
        case finished(Result<LoadedState, StateError>)
        /// The state is large: the load continues in the connection group for large states.
        case large
        /// A large state as stored: decoding it takes longer than a connection's thread may.
        case unread(LoadRow)
    }

    let command: LoadCommand
    private let store: StateStore
    private let resources: StoreResources
    private let context: OperationContext
    private let completion: Completion
    private(set) var rounds: LoadRounds
    private var outcome: Outcome?
    /// Bytes reserved for a large state.
    private var reservedBytes = 0
    /// Whether the statement has a row of its flow.
    fileprivate var hasRow = false

    /// - Parameter completion: on the context's executor, or on a thread of the scheduler.
    init(_ command: LoadCommand, _ store: StateStore, _ context: OperationContext, _ completion: Completion) {
        self.command = command
        self.store = store
        self.context = context
        self.completion = completion
        resources = store.resources
        if command.selector == .latest, let known = resources.cache.lookupForLoad(command.key) {
            rounds = LoadRounds(.check(known))
        } else {
            rounds = LoadRounds(command.selector == .latest ? .latest : .selected)
        }
    }

    func begin() {
        if isFirst, let size = resources.refusedLoads.size(command) {
            do throws(StateError) {
                try leaveOut(size)
            } catch {
                finish(.failure(error))
                return context.executor.execute { [self] in deliver() }
            }
        }
        let route = isLarge ? Route.largeRead(command.key) : .read(command.key)
        store.database.group(for: route).enqueue(
            self, caller: context.caller, deadline: context.deadline, cancellation: context.cancellation, executor: context.executor)
    }

    // MARK: Large states

    /// Copies of a large state that is read apart from others: as stored, twice, which is less than its size; as saved; and its bases, which
    /// are small beside a very large one (`VersionChain`). All but one are given back when it is read.
    private static func copies(_ size: Int) -> Int { size <= 1 << 20 ? 5 : 4 }

    /// Whether nothing was asked yet, and there is no cached version to be confirmed.
    private var isFirst: Bool { if case .check = rounds.look { false } else { rounds.isFirst } }

    /// Whether it reads a large state.
    private var isLarge: Bool { if case .large = rounds.look { true } else { false } }

    /// The largest state that is sent along.
    fileprivate var largest: Int64 {
        if case .large(let size) = rounds.look { return Int64(size) }
        return Int64(resources.limits.batchedStateBytes)
    }

    /// Reserves memory for a large state before it is asked for, which is the next look.
    private func leaveOut(_ size: Int) throws(StateError) {
        guard let next = rounds.afterLeavingOut(size: size) else { throw .contention }
        // What the look before was to find.
        keep(0)
        let bytes = size.multipliedReportingOverflow(by: Self.copies(size))
        try context.reserve(bytes.overflow ? .max : bytes.partialValue)
        reservedBytes = bytes.partialValue
        rounds = next
    }

    /// Gives back what is reserved beyond this.
    private func keep(_ bytes: Int) {
        guard reservedBytes > bytes else { return }
        context.memory?.memory.release(reservedBytes - bytes)
        reservedBytes = bytes
    }

    private func foundLarge(_ size: Int) {
        do throws(StateError) {
            try leaveOut(size)
            outcome = .large
        } catch {
            if error != .contention { resources.refusedLoads.insert(command, size: size) }
            finish(.failure(error))
        }
    }

    /// Reads a large state on a thread of the scheduler, where neither calls nor other loads wait for it.
    private func read(_ row: LoadRow) {
        let resources = resources
        let finish: @Sendable (Result<LoadedState, StateError>) -> Void = { [self] result in
            if case .failure(let error) = result {
                if looksAgain(after: error) { return begin() }
                store.log(error)
                keep(0)
            } else {
                // One of the copies that reading took is left.
                keep(Int(clamping: row.version?.size ?? 0))
            }
            completion.call(result)
        }
        store.schedule(.short, context, finish) { () throws(StateError) in try row.read(resources).get() }
    }

    // MARK: Results

    private func finish(_ result: Result<LoadedState, StateError>) { outcome = .finished(result) }

    /// Reads a lost version again, with a fresh snapshot and without the flow's cache entry.
    private func lost(_ error: StateError) {
        if !looksAgain(after: error) { finish(.failure(error)) }
    }

    /// Prepares to read a lost version again; `false`: it was read often enough.
    private func looksAgain(after error: StateError) -> Bool {
        guard case .dataLoss = error, let next = rounds.afterLoss() else { return false }
        resources.cache.invalidate(command.key)
        rounds = next
        return true
    }

    fileprivate func noRow() { finish(.failure(.flowNotFound(flowID: command.key.flowID, deleted: false))) }

    /// The head of a flow whose newest version was cached.
    fileprivate func checked(_ rows: ResultRows, _ row: Int) throws(PostgresError) {
        guard case .check(let known) = rounds.look, let loaded = known.loaded, try rows.int64(row, 1) == known.version,
            try rows.timestamp(row, 2) == known.updatedAt.microseconds, try rows.int64(row, 3) == known.checkpointEpoch
        else { return rounds = rounds.afterChange() }
        resources.cache.confirmed()
        if known.version == command.ifVersionNot, case .snapshot(let snapshot) = loaded.outcome {
            return finish(.success(LoadedState(.unchanged(snapshot.head, snapshot.version))))
        }
        finish(.success(loaded))
    }

    fileprivate func loaded(_ rows: ResultRows, _ row: Int, _ bases: [FlowVersion: [UInt8]] = [:]) throws(PostgresError) {
        let loaded = try LoadRow(rows, row, key: command.key, known: bases)
        if loaded.head.isDeleted, command.selector == .latest || command.selector == .greatestLabel {
            return finish(.failure(.flowNotFound(flowID: command.key.flowID, deleted: true)))
        }
        guard let version = loaded.version, !version.isRemoved || command.findsRemoved else { return missing(loaded.head) }
        if version.version == command.ifVersionNot { return finish(.success(LoadedState(.unchanged(loaded.head, version)))) }
        if let parts = loaded.parts {
            guard command.findsParts else { return finish(.failure(version.isTooLarge(limit: resources.limits.stateBytes))) }
            return finish(.success(LoadedState(.snapshot(Snapshot(head: loaded.head, version: version, state: [], parts: parts)))))
        }
        if version.size > largest { return foundLarge(Int(clamping: version.size)) }
        if isLarge { return outcome = .unread(loaded) }
        switch loaded.read(resources) {
        case .success(let read): finish(.success(read))
        case .failure(let error): lost(error)
        }
    }

    private func missing(_ head: FlowHead) {
        let flowID = command.key.flowID
        let error: StateError =
            switch command.selector {
            // The head names a version that does not exist: not the client's fault.
            case .latest: .dataLoss(flowID: flowID, version: head.version, message: "its row is missing")
            case .version(let version): .versionNotFound(flowID: flowID, selector: "version \(version)")
            case .checkpoint(let checkpoint): .checkpointNotFound(flowID: flowID, checkpoint: checkpoint)
            case .label(let label): .versionNotFound(flowID: flowID, selector: "version labelled \"\(label)\"")
            case .greatestLabel: .versionNotFound(flowID: flowID, selector: "version with a label")
            case .time: .versionNotFound(flowID: flowID, selector: "version at this time or before")
            }
        lost(error)
    }
}

extension LoadOperation: TransactionWork {
    var cost: Int {
        switch rounds.look {
        case .large(let size): size
        default: command.key.flowID.utf8.count + 256
        }
    }

    var isUnfinished: Bool { outcome == nil }

    func unit(of works: [any TransactionWork]) -> any TransactionUnit { LoadUnit(works.compactMap { $0 as? LoadOperation }) }

    func fail(_ error: PostgresError) { finish(.failure(StateError(error))) }

    func deliver() {
        // Taken, not copied: it has dozens of fields.
        guard let outcome = outcome.take() else { return }
        switch outcome {
        case .large: begin()
        case .unread(let row): read(row)
        case .finished(let result):
            keep(0)
            if case .failure(let error) = result { store.log(error) }
            completion.call(result)
        }
    }
}

/// The loads of a batch, and which statement each is in.
private final class LoadUnit: TransactionUnit {
    private let loads: [LoadOperation]
    // In the order of the statements.
    private var checks: [LoadOperation] = []
    private var latest: [LoadOperation] = []
    private var others: [(load: LoadOperation, bases: [FlowVersion: [UInt8]])] = []

    init(_ loads: [LoadOperation]) { self.loads = loads }

    func enqueue(into pipeline: inout Pipeline) {
        for load in loads {
            load.hasRow = false
            switch load.rounds.look {
            case .check: checks.append(load)
            case .latest: latest.append(load)
            case .selected, .large: others.append((load, load.bases))
            }
        }
        if !checks.isEmpty { pipeline.execute(LoadSQL.check, LoadSQL.parameters(check: checks.map(\.command.key))) }
        if !latest.isEmpty {
            let parameters = LoadSQL.parameters(
                latest: latest.map(\.command.key), have: latest.map(\.command.ifVersionNot), largest: latest.map(\.largest))
            pipeline.execute(LoadSQL.latest, parameters)
        }
        for (load, bases) in others { load.enqueueAlone(into: &pipeline, bases) }
    }

    func decode(_ results: [ResultRows]) {
        let statements = (checks.isEmpty ? 0 : 1) + (latest.isEmpty ? 0 : 1) + others.count
        guard results.count == statements else {
            for load in loads { load.fail(.protocolViolation("\(results.count) results for \(statements) statements")) }
            return
        }
        var results = results[...]
        if !checks.isEmpty, let rows = results.popFirst() {
            read(rows, checks) { (load, row) throws(PostgresError) in try load.checked(rows, row) }
        }
        if !latest.isEmpty, let rows = results.popFirst() {
            read(rows, latest) { (load, row) throws(PostgresError) in try load.loaded(rows, row) }
        }
        for (other, rows) in zip(others, results) {
            read(rows, [other.load]) { (load, row) throws(PostgresError) in try load.loaded(rows, row, other.bases) }
        }
    }

    /// Each row begins with the index of its load in the statement, from 1. A flow without a row does not exist.
    private func read(
        _ rows: ResultRows, _ loads: [LoadOperation], _ body: (LoadOperation, _ row: Int) throws(PostgresError) -> Void
    ) {
        do throws(PostgresError) {
            for row in 0..<rows.count {
                let place = Int(try rows.int32(row, 0)) - 1
                guard loads.indices.contains(place) else { throw .protocolViolation("a row of load \(place + 1)") }
                loads[place].hasRow = true
                do throws(PostgresError) {
                    try body(loads[place], row)
                } catch {
                    // A row that cannot be read concerns its own load.
                    loads[place].fail(error)
                }
            }
            for load in loads where !load.hasRow { load.noRow() }
        } catch {
            for load in loads { load.fail(error) }
        }
    }
}

/// The round trips of a load as a state machine. Pure: it says what the next one looks for.
///
///     check ──the cached version is not the newest──▶ latest
///     latest, selected, large ──the version is larger than what was asked for──▶ large
///     latest, selected, large ──the version is missing or damaged──▶ the same, with a new snapshot, until there were three in all
struct LoadRounds: Sendable {
    enum Look: Sendable {
        /// The newest version, if it is not the cached one.
        case check(CachedVersion)
        case latest
        /// By version, checkpoint, label or time.
        case selected
        /// The selected version is large and was left out. The load is repeated alone, for so many bytes at most: it may then find another
        /// version, since that one may have been pruned.
        case large(size: Int)
    }

    /// How often a missing or damaged version is read before it is reported: a statement has one snapshot, but the flow may have changed
    /// between this one and what it was built from.
    private static let looksBeforeLoss = 3
    /// For a flow that grows faster than it can be read.
    private static let maximumLooks = 10

    let look: Look
    /// This one included.
    private var looks = 1

    init(_ look: Look) { self.look = look }

    var isFirst: Bool { looks == 1 }

    private func then(_ look: Look) -> LoadRounds {
        var next = LoadRounds(look)
        next.looks = looks + 1
        return next
    }

    /// The flow has another version than the cached one.
    func afterChange() -> LoadRounds { then(.latest) }

    /// The version is too large for a statement that others share. Nil: that was so too often.
    func afterLeavingOut(size: Int) -> LoadRounds? { looks <= Self.maximumLooks ? then(.large(size: size)) : nil }

    /// The version is missing or damaged. Nil: it was read often enough.
    func afterLoss() -> LoadRounds? { looks < Self.looksBeforeLoss ? then(look) : nil }
}

extension LoadOperation {
    /// Bases in the cache, which are not sent again. A newest version is read whole: the next one is stored against its bases.
    fileprivate var bases: [FlowVersion: [UInt8]] { command.selector == .latest ? [:] : resources.cache.bases(of: command.key) }

    fileprivate func enqueueAlone(into pipeline: inout Pipeline, _ bases: [FlowVersion: [UInt8]]) {
        let known = Array(bases.keys)
        var parameters = Parameters()
        parameters.append(command.key.tenant)
        parameters.append(command.key.flowID)
        parameters.append(command.ifVersionNot)
        parameters.append(largest)
        parameters.append(bigints: known.count) { known[$0] }
        switch command.selector {
        case .latest: pipeline.execute(LoadSQL.newest, parameters)
        case .greatestLabel: pipeline.execute(LoadSQL.greatestLabel, parameters)
        case .version(let version):
            parameters.append(version)
            pipeline.execute(LoadSQL.version, parameters)
        case .checkpoint(let checkpoint):
            parameters.append(checkpoint)
            pipeline.execute(LoadSQL.checkpoint, parameters)
        case .label(let label):
            parameters.append(label)
            pipeline.execute(LoadSQL.label, parameters)
        case .time(let time):
            parameters.append(timestamp: time.microseconds)
            pipeline.execute(LoadSQL.time, parameters)
        }
    }
}

extension VersionRecord {
    /// The error of a load that does not find states in parts.
    func isTooLarge(limit: Int) -> StateError {
        .tooLarge(what: "the state of version \(version), which only DownloadState reads,", size: Int(clamping: size), limit: limit)
    }
}
