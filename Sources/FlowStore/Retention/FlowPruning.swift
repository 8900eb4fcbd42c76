import FlowModel
import Postgres

/// One pruning of one flow: a sequence of transactions, each of which leaves everything readable.
///
///     raise      from now on no save refers to a version below the floor
///     repack     a remaining version that refers to one to be removed is stored anew, one a transaction
///     remove     versions that nothing refers to and nothing pins, newest first, a portion a transaction
///
/// Each transaction ensures what it relies on, since others change the flow meanwhile:
///
/// - A save names its base, and compares it with `flow.base_floor` in the row that it locks. The raised floor alone loses nothing: a save
///   that it refuses stores its state whole.
/// - A transaction that pins a version, or copies one with its base (to create or restore a checkpoint), locks the rows that it relies on
///   (FOR KEY SHARE). `remove` locks the versions to remove without waiting, and reads pins and references after that: it sees those
///   committed before, those in progress make the lock fail, and later ones find no row. It never waits with locks held, so it is part of
///   no deadlock.
/// - Newest first: a remaining version never refers to a removed one.
struct FlowPruning {
    enum End {
        case done
        /// Another pruning, or a lock on a version, interfered: nothing is wrong, and another attempt may succeed.
        case retry
    }

    static let maximumAttempts = 4
    static let pause = Duration.milliseconds(25)

    let store: StateStore
    let key: FlowKey
    let actor: String
    let step: Int64

    /// The flow when its floor was raised.
    private struct Bounds: Sendable {
        /// Versions below may be removed.
        var floor: FlowVersion
        /// No save refers to a version below; never lower than `floor`.
        var baseFloor: FlowVersion
        /// Later versions may have been made since, by restoring a checkpoint, that refer below the floor.
        var newest: FlowVersion
    }

    /// A remaining version that refers to one below the floor.
    private struct Dependent: Sendable {
        var version: FlowVersion
        /// Whether its base may be removed.
        var isAffected: Bool
    }

    private struct Candidate: Sendable {
        var version: FlowVersion
        var bytes: Int64
    }

    func run(
        below floor: FlowVersion, limit: Int64, _ pruned: inout PrunedVersions,
        _ afterStep: (PrunedVersions) async throws(StateError) -> Bool
    ) async throws(StateError) -> End {
        let bounds = try await raise(floor)
        var dependents = try await dependents(bounds)
        if let end = try await repack(&dependents, bounds, &pruned, afterStep) { return end }
        // Versions that still refer below the floor; the statements find pinned versions by themselves.
        let holding = dependents.map(\.version)
        var end = bounds.floor
        while pruned.versions < limit {
            let most = min(step, limit - pruned.versions)
            let versions = portion(try await candidates(below: end, bounds, holding, most))
            guard let lowest = versions.last else { break }
            guard let removed = try await remove(versions, bounds, holding) else { return .retry }
            pruned.versions += removed.versions
            pruned.bytes += removed.bytes
            guard try await afterStep(removed) else { break }
            end = lowest
        }
        return .done
    }

    /// As many as fit into a transaction.
    private func portion(_ candidates: [Candidate]) -> [FlowVersion] {
        var bytes: Int64 = 0
        return candidates.prefix { candidate in
            defer { bytes += candidate.bytes }
            return bytes == 0 || bytes + candidate.bytes <= Int64(store.limits.batchBytes)
        }.map(\.version)
    }

    // MARK: Storing anew

    /// The side of the floors on which a version is. A base is taken from the same side, so that it is not removed before the versions that
    /// refer to it.
    private func side(_ version: FlowVersion, _ bounds: Bounds) -> Int {
        version < bounds.floor ? 0 : version < bounds.baseFloor ? 1 : 2
    }

    /// Stores anew the versions whose base may be removed, and leaves in `dependents` those that still refer below the floor. One state at
    /// a time is in memory, with its old base and its new form.
    ///
    /// - Returns: why pruning ends here; nil: it continues.
    private func repack(
        _ dependents: inout [Dependent], _ bounds: Bounds, _ pruned: inout PrunedVersions,
        _ afterStep: (PrunedVersions) async throws(StateError) -> Bool
    ) async throws(StateError) -> End? {
        var remaining: [Dependent] = []
        var anchor: VersionChain?
        var anchorSide = 0
        var known: [FlowVersion: [UInt8]] = [:]
        for dependent in dependents {
            guard dependent.isAffected else {
                remaining.append(dependent)
                continue
            }
            let side = side(dependent.version, bounds)
            if side != anchorSide { (anchor, anchorSide) = (nil, side) }
            let repack = RepackOperation(
                key: key, version: dependent.version, baseFloor: bounds.baseFloor, anchor: anchor, known: known,
                resources: store.resources)
            switch try await store.runInBackground(repack) {
            case .stored(let next, let base):
                if let next { anchor = next }
                if let base { known = [base.version: base.state] }
            case .gone: break
            case .retry: return .retry
            case .unreadable(let error):
                pruned.damage = pruned.damage ?? error
                remaining.append(dependent)
            }
            guard try await afterStep(PrunedVersions()) else { return .done }
        }
        dependents = remaining
        return nil
    }

    // MARK: Statements

    private func raise(_ floor: FlowVersion) async throws(StateError) -> Bounds {
        let rows = try await store.rowsInBackground(PruneSQL.raise, parameters(floor)) { rows, row throws(PostgresError) in
            Bounds(floor: try rows.int64(row, 0), baseFloor: try rows.int64(row, 1), newest: try rows.int64(row, 2))
        }
        guard let bounds = rows.first else { throw .flowNotFound(flowID: key.flowID, deleted: false) }
        return bounds
    }

    private func dependents(_ bounds: Bounds) async throws(StateError) -> [Dependent] {
        try await store.rowsInBackground(PruneSQL.dependents, parameters(bounds.floor)) { rows, row throws(PostgresError) in
            Dependent(version: try rows.int64(row, 0), isAffected: try rows.bool(row, 1))
        }
    }

    private func candidates(
        below end: FlowVersion, _ bounds: Bounds, _ holding: [FlowVersion], _ most: Int64
    ) async throws(StateError) -> [Candidate] {
        var parameters = parameters(bounds.floor, bounds.newest, holding)
        parameters.append(end)
        parameters.append(most)
        return try await store.rowsInBackground(PruneSQL.candidates, parameters) { rows, row throws(PostgresError) in
            Candidate(version: try rows.int64(row, 0), bytes: try rows.int64(row, 1))
        }
    }

    /// - Returns: nil when one of them is locked.
    private func remove(
        _ versions: [FlowVersion], _ bounds: Bounds, _ holding: [FlowVersion]
    ) async throws(StateError) -> PrunedVersions? {
        var lock = parameters()
        lock.append(bigints: versions.count) { versions[$0] }
        var remove = parameters(bounds.floor, bounds.newest, holding)
        remove.append(bigints: versions.count) { versions[$0] }
        remove.append(actor)
        do {
            return try await store.database.group(for: .background).run(
                RemoveOperation(key: key, lock: lock, remove: remove), deadline: nil)
        } catch {
            if case .server(.lockNotAvailable, _, _, _) = error { return nil }
            throw StateError(error)
        }
    }

    private func parameters() -> Parameters {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        return parameters
    }

    private func parameters(_ floor: FlowVersion) -> Parameters {
        var parameters = parameters()
        parameters.append(floor)
        return parameters
    }

    private func parameters(_ floor: FlowVersion, _ newest: FlowVersion, _ holding: [FlowVersion]) -> Parameters {
        var parameters = parameters(floor)
        parameters.append(newest)
        parameters.append(bigints: holding.count) { holding[$0] }
        return parameters
    }
}

/// Locks versions and removes those of them that nothing pins or refers to, in one transaction.
private struct RemoveOperation: SingleOperation {
    let key: FlowKey
    let lock: Parameters
    let remove: Parameters

    var cost: Int { lock.byteCount + remove.byteCount }
    var affinity: BatchAffinity { .exclusive }

    func enqueue(into pipeline: inout Pipeline) {
        pipeline.execute(PruneSQL.lock, lock)
        pipeline.execute(PruneSQL.remove, remove)
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        guard results.count == 2 else { throw .protocolViolation("\(results.count) results for 2 statements") }
        return .finished(PrunedVersions(versions: try results[1].int64(0, 0), bytes: try results[1].int64(0, 1)))
    }

    typealias Outcome = PrunedVersions
}
