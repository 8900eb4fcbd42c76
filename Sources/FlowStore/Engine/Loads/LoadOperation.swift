import FlowModel
import Postgres
import Resources

/// A load, as a reader's connection group runs it: loads of newest versions share statements.
///
/// A class, since it has many fields and is passed on several times.
final class LoadOperation: Sendable {
    let command: LoadCommand
    let resources: StoreResources
    let rounds: LoadRounds
    /// The account for the memory of a large state, which is reserved before the state is loaded.
    private let memory: (any MemoryHolder)?

    init(_ command: LoadCommand, _ resources: StoreResources, _ memory: (any MemoryHolder)?) {
        self.command = command
        self.resources = resources
        self.memory = memory
        if command.selector == .latest, let known = resources.cache.lookup(command.key), known.loaded != nil {
            rounds = LoadRounds(.check(known))
        } else {
            rounds = LoadRounds(command.selector == .latest ? .latest : .selected)
        }
    }

    private init(_ load: LoadOperation, _ rounds: LoadRounds) {
        command = load.command
        resources = load.resources
        memory = load.memory
        self.rounds = rounds
    }

    /// Reads a lost version again, with a fresh snapshot and without the flow's cache entry.
    private func lost(_ error: StateError) -> Step<LoadOperation> {
        again(after: error).map { .again($0) } ?? .finished(.failure(error))
    }

    /// The load that reads a lost version again; nil: it was read often enough.
    func again(after error: StateError) -> LoadOperation? {
        guard case .dataLoss = error, let next = rounds.afterLoss() else { return nil }
        resources.cache.invalidate(command.key)
        return LoadOperation(self, next)
    }

    /// Copies of a large state that is read apart from others: as stored, twice, which is less than its size; as saved; and up to two
    /// bases. All but one are given back when it is read.
    static let largeCopies = 4

    /// Reserves memory for a large state before it is asked for.
    private func large(_ size: Int) -> Step<LoadOperation> {
        guard let next = rounds.afterLeavingOut(size: size) else { return .finished(.failure(.contention)) }
        do throws(StateError) {
            try OperationContext.reserve(size.multipliedReportingOverflow(by: Self.largeCopies).partialValue, of: memory)
        } catch {
            return .finished(.failure(error))
        }
        return .finished(.success(.large(LoadOperation(self, next))))
    }

    /// Whether it reads a large state.
    var isLarge: Bool { if case .large = rounds.look { true } else { false } }

    /// The largest state that is sent along.
    private var largest: Int64 {
        if case .large(let size) = rounds.look { return Int64(size) }
        return Int64(resources.limits.batchedStateBytes)
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

extension LoadOperation: Postgres.Operation {
    enum Loaded: Sendable {
        case state(LoadedState)
        /// The state is large: this load continues, in the connection group for large states.
        case large(LoadOperation)
        /// A large state as stored: decoding it takes longer than a connection's thread may.
        case unread(UnreadState)
    }

    typealias Outcome = Result<Loaded, StateError>

    /// The loads of each statement, in the order of the statements.
    struct Layout {
        var checks: [Int] = []
        var latest: [Int] = []
        var others: [(load: Int, bases: [FlowVersion: [UInt8]])] = []
    }

    var cost: Int {
        switch rounds.look {
        case .large(let size): size
        default: command.key.flowID.utf8.count + 256
        }
    }

    static func enqueue(_ loads: [LoadOperation], into pipeline: inout Pipeline) -> Layout {
        var layout = Layout()
        for (index, load) in loads.enumerated() {
            switch load.rounds.look {
            case .check: layout.checks.append(index)
            case .latest: layout.latest.append(index)
            case .selected, .large: layout.others.append((index, load.resources.cache.bases(of: load.command.key)))
            }
        }
        if !layout.checks.isEmpty {
            pipeline.execute(LoadSQL.check, LoadSQL.parameters(check: layout.checks.map { loads[$0].command.key }))
        }
        if !layout.latest.isEmpty {
            let commands = layout.latest.map { loads[$0].command }
            let parameters = LoadSQL.parameters(
                latest: commands.map(\.key), have: commands.map(\.ifVersionNot),
                largest: layout.latest.map { Int64(loads[$0].resources.limits.batchedStateBytes) })
            pipeline.execute(LoadSQL.latest, parameters)
        }
        for (index, bases) in layout.others { loads[index].enqueueAlone(into: &pipeline, bases) }
        return layout
    }

    private func enqueueAlone(into pipeline: inout Pipeline, _ bases: [FlowVersion: [UInt8]]) {
        let known = Array(bases.keys)
        var parameters = Parameters()
        parameters.append(command.key.tenant)
        parameters.append(command.key.flowID)
        parameters.append(command.ifVersionNot)
        parameters.append(largest)
        parameters.append(bigints: known.count) { known[$0] }
        switch command.selector {
        case .latest: pipeline.execute(LoadSQL.newest, parameters)
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

    // MARK: Results

    static func decode(_ results: [ResultRows], of loads: [LoadOperation], layout: Layout) -> [Result<Step<LoadOperation>, PostgresError>] {
        var steps = loads.map { load in
            Result<Step<LoadOperation>, PostgresError>.success(
                .finished(.failure(.flowNotFound(flowID: load.command.key.flowID, deleted: false))))
        }
        var results = results[...]
        if !layout.checks.isEmpty, let rows = results.popFirst() {
            read(rows, layout.checks, &steps) { (load, row) throws(PostgresError) in try loads[load].checked(rows, row) }
        }
        if !layout.latest.isEmpty, let rows = results.popFirst() {
            read(rows, layout.latest, &steps) { (load, row) throws(PostgresError) in try loads[load].loaded(rows, row) }
        }
        for (other, rows) in zip(layout.others, results) {
            read(rows, [other.load], &steps) { (load, row) throws(PostgresError) in try loads[load].loaded(rows, row, other.bases) }
        }
        return steps
    }

    /// Each row begins with the index of its load in the statement, from 1. A flow without a row does not exist.
    private static func read(
        _ rows: ResultRows, _ places: [Int], _ steps: inout [Result<Step<LoadOperation>, PostgresError>],
        _ step: (_ load: Int, _ row: Int) throws(PostgresError) -> Step<LoadOperation>
    ) {
        do throws(PostgresError) {
            for row in 0..<rows.count {
                let place = Int(try rows.int32(row, 0)) - 1
                guard places.indices.contains(place) else { throw .protocolViolation("a row of load \(place + 1)") }
                steps[places[place]] = Result { () throws(PostgresError) in try step(places[place], row) }
            }
        } catch {
            for place in places { steps[place] = .failure(error) }
        }
    }

    private func checked(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> Step<LoadOperation> {
        guard case .check(let known) = rounds.look, let loaded = known.loaded, try rows.int64(row, 1) == known.version,
            try FlowRow.time(rows, row, 2) == known.updatedAt, try rows.int64(row, 3) == known.checkpointEpoch
        else { return .again(LoadOperation(self, rounds.afterChange())) }
        if known.version == command.ifVersionNot, case .snapshot(let snapshot) = loaded.outcome {
            return .finished(.success(.state(LoadedState(.unchanged(snapshot.head, snapshot.version)))))
        }
        return .finished(.success(.state(loaded)))
    }

    private func loaded(
        _ rows: ResultRows, _ row: Int, _ bases: [FlowVersion: [UInt8]] = [:]
    ) throws(PostgresError) -> Step<LoadOperation> {
        let loaded = try LoadRow(rows, row, key: command.key, known: bases)
        if loaded.head.isDeleted && command.selector == .latest {
            return .finished(.failure(.flowNotFound(flowID: command.key.flowID, deleted: true)))
        }
        guard let version = loaded.version else { return missing(loaded.head) }
        if version.version == command.ifVersionNot { return .finished(.success(.state(LoadedState(.unchanged(loaded.head, version))))) }
        if version.size > largest { return large(Int(clamping: version.size)) }
        if isLarge { return .finished(.success(.unread(UnreadState(loaded, of: self)))) }
        switch loaded.read(resources) {
        case .success(let read): return .finished(.success(.state(read)))
        case .failure(let error):
            if case .dataLoss = error { return lost(error) }
            return .finished(.failure(error))
        }
    }

    private func missing(_ head: FlowHead) -> Step<LoadOperation> {
        let flowID = command.key.flowID
        let error: StateError =
            switch command.selector {
            // The head names a version that does not exist: not the client's fault.
            case .latest: .dataLoss(flowID: flowID, version: head.version, message: "its row is missing")
            case .version(let version): .versionNotFound(flowID: flowID, selector: "version \(version)")
            case .checkpoint(let checkpoint): .checkpointNotFound(flowID: flowID, checkpoint: checkpoint)
            case .label(let label): .versionNotFound(flowID: flowID, selector: "version labelled \"\(label)\"")
            case .time: .versionNotFound(flowID: flowID, selector: "version at this time or before")
            }
        if case .dataLoss = error { return lost(error) }
        return .finished(.failure(error))
    }
}
