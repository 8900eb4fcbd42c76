import FlowModel
import Postgres

/// Stores one version anew: whole, or as a patch against a remaining one. It reads, packs and writes on the background connection's thread,
/// so one state at a time is in memory, and no caller's thread computes.
struct RepackOperation: SingleOperation {
    enum Outcome: Sendable {
        /// - anchor: when it was stored whole: a base for the next versions.
        /// - base: its old base, to which the next version may refer too.
        case stored(anchor: VersionChain?, base: VersionChain.Level?)
        /// Another transaction removed it.
        case gone
        /// Another pruning raised the floor, or removed the anchor.
        case retry
        case unreadable(StateError)
    }

    private enum Stage: Sendable {
        case read
        case write(StoredState, Outcome)
    }

    let key: FlowKey
    let version: FlowVersion
    /// The floor when the pruning began. As long as it stays, versions above it refer to none below it.
    let baseFloor: FlowVersion
    /// A whole version that stays as long as this one does.
    let anchor: VersionChain?
    /// States that need not be read again.
    var known: [FlowVersion: [UInt8]]
    let resources: StoreResources
    private var stage = Stage.read

    init(
        key: FlowKey, version: FlowVersion, baseFloor: FlowVersion, anchor: VersionChain?, known: [FlowVersion: [UInt8]],
        resources: StoreResources
    ) {
        self.key = key
        self.version = version
        self.baseFloor = baseFloor
        self.anchor = anchor
        self.known = known
        self.resources = resources
    }

    var cost: Int {
        if case .write(let stored, _) = stage { stored.bytes.count + 256 } else { 256 }
    }
    var affinity: BatchAffinity { .exclusive }

    func enqueue(into pipeline: inout Pipeline) {
        var parameters = Parameters(reservingBytes: cost)
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        switch stage {
        case .read:
            let bases = Array(known.keys)
            parameters.append(nil as Int64?)
            parameters.append(Int64.max)
            parameters.append(bigints: bases.count) { bases[$0] }
            parameters.append(version)
            pipeline.execute(LoadSQL.version, parameters)
        case .write(let stored, _):
            parameters.append(version)
            parameters.append(stored.codec.rawValue)
            parameters.append(stored.base)
            parameters.append(bytes: stored.bytes)
            parameters.append(baseFloor)
            pipeline.execute(PruneSQL.repack, parameters)
        }
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        guard let rows = results.first else { throw .protocolViolation("no result for a version to be stored anew") }
        if case .write(_, let outcome) = stage { return .finished(rows.count == 1 ? outcome : .retry) }
        guard rows.count == 1 else { return .finished(.gone) }
        let row = try LoadRow(rows, 0, key: key, known: known)
        guard row.version != nil else { return .finished(.gone) }
        var next = self
        switch row.read(resources) {
        case .failure where row.reliesOnCache: next.known = [:]
        case .failure(let error): return .finished(.unreadable(error))
        case .success(let read):
            guard case .snapshot(let snapshot) = read.outcome else {
                return .finished(.unreadable(.internalFault("a version was read without its state")))
            }
            next.stage = pack(snapshot.state, read.chain)
        }
        return .again(next)
    }

    /// - Parameter chain: nil: it was read through a known base, which the next version may refer to as well.
    private func pack(_ state: [UInt8], _ chain: VersionChain?) -> Stage {
        let stored = StateCompression.store(state, after: anchor, resources.zstd)
        let next = stored.base == nil ? VersionChain(version, state: state, stored: stored) : nil
        let base = chain?.levels.first.flatMap { $0.version == version ? nil : $0 }
        return .write(stored, .stored(anchor: next, base: base))
    }
}
