import FlowModel
import Postgres

extension StateStore {
    /// Removes the versions of a flow below `floor`, but for the newest version and those with a checkpoint. Of what stays, states that
    /// were stored as patches against a version that goes are stored anew first, so every version that stays reads as before.
    ///
    /// Other servers may change the flow meanwhile, and saves need not wait: it has a connection of its own. Long flows take a while: it
    /// reads what must be stored anew.
    ///
    /// - Parameters:
    ///   - step: Versions a transaction. The newest go first: what goes later may be what those refer to.
    ///   - afterStep: Called after each transaction with what it removed; answers whether to go on.
    /// - Returns: what was removed.
    /// - Throws: `flowNotFound`; `dataLoss` when a state that must be stored anew cannot be read: then nothing is removed.
    @discardableResult
    public func pruneVersions(
        of key: FlowKey, below floor: FlowVersion, actor: String, step: Int64 = 1_000,
        afterStep: (PrunedVersions) async throws(StateError) -> Bool = { _ in true }
    ) async throws(StateError) -> PrunedVersions {
        let floor = try await raiseFloor(key, floor)
        // What is known may refer to a version that goes.
        defer { resources.cache.forget(key) }
        var pruned = PrunedVersions()
        while let low = try await lowest(key, floor, step) {
            let removed = try await prune(key, low..<floor, actor: actor)
            pruned.versions += removed.versions
            pruned.bytes += removed.bytes
            guard try await afterStep(removed) else { break }
        }
        return pruned
    }

    /// Removes the versions in `range`. No save refers to a version below its end any more; a checkpoint that is made now may still pin one
    /// that does.
    private func prune(_ key: FlowKey, _ range: Range<FlowVersion>, actor: String) async throws(StateError) -> PrunedVersions {
        for _ in 0..<Change.maximumAttempts {
            let dependents = try await dependents(key, range.upperBound)
            let rewritten = try await rewrite(dependents, of: key, range.upperBound)
            let pruning = PruneOperation(key: key, range: range, actor: actor, rewritten: rewritten)
            if case .removed(let pruned) = try await runInBackground(pruning) { return pruned }
        }
        throw .contention
    }

    /// Each is a whole state or a patch against one, so that what refers to it stays within `VersionChain.maximumDepth`.
    private func rewrite(
        _ versions: [FlowVersion], of key: FlowKey, _ floor: FlowVersion
    ) async throws(StateError) -> [RewrittenVersion] {
        var rewritten: [RewrittenVersion] = []
        var whole: VersionChain?
        for version in versions {
            guard let state = try await state(key, version) else { continue }
            // Below the floor nothing may be a base.
            let stored = StateCompression.store(state, after: version < floor ? nil : whole, resources.zstd)
            if version >= floor, stored.base == nil { whole = VersionChain(version, state: state, stored: stored) }
            rewritten.append(RewrittenVersion(version: version, stored: stored))
        }
        return rewritten
    }

    private func raiseFloor(_ key: FlowKey, _ floor: FlowVersion) async throws(StateError) -> FlowVersion {
        let rows = try await numbers(PruneSQL.raise, key, [floor])
        guard let floor = rows.first else { throw .flowNotFound(flowID: key.flowID, deleted: false) }
        return floor
    }

    private func dependents(_ key: FlowKey, _ floor: FlowVersion) async throws(StateError) -> [FlowVersion] {
        try await numbers(PruneSQL.dependents, key, [floor])
    }

    /// The lowest of the `step` newest versions below the floor that nothing pins; nil: there are none.
    private func lowest(_ key: FlowKey, _ floor: FlowVersion, _ step: Int64) async throws(StateError) -> FlowVersion? {
        try await numbers(PruneSQL.lowest, key, [floor, step]).last
    }

    private func numbers(_ statement: Statement, _ key: FlowKey, _ bounds: [Int64]) async throws(StateError) -> [Int64] {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        for bound in bounds { parameters.append(bound) }
        let query = Query<[Int64]>(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            var numbers: [Int64] = []
            for row in 0..<rows.count { numbers.append(try rows.int64(row, 0)) }
            return .success(numbers)
        }
        return try await runInBackground(query).get()
    }

    /// nil: it has gone meanwhile.
    private func state(_ key: FlowKey, _ version: FlowVersion) async throws(StateError) -> [UInt8]? {
        do {
            guard case .snapshot(let snapshot) = try await run(LoadCommand(key: key, selector: .version(version))) else { return nil }
            return snapshot.state
        } catch {
            if case .versionNotFound = error { return nil }
            throw error
        }
    }

}

public struct PrunedVersions: Sendable, Equatable {
    public var versions: Int64 = 0
    /// Of their states, as they were stored.
    public var bytes: Int64 = 0
}

/// A version whose state is stored in another way than before.
struct RewrittenVersion: Sendable {
    let version: FlowVersion
    let stored: StoredState
}

/// Stores states anew and removes what nobody refers to any more, in one transaction.
struct PruneOperation: SingleOperation {
    enum Outcome: Sendable, Equatable {
        case removed(PrunedVersions)
        /// A version that stays refers to one that goes: it got a checkpoint meanwhile.
        case raced
    }

    let key: FlowKey
    let range: Range<FlowVersion>
    let actor: String
    let rewritten: [RewrittenVersion]

    var cost: Int { rewritten.reduce(256) { $0 + $1.stored.bytes.count } }
    var company: Company { .nobody }
    var lockOrder: UInt64? { Digest.shard(of: key) }

    func enqueue(into pipeline: inout Pipeline) {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(range.upperBound)
        parameters.append(range.lowerBound)
        pipeline.execute(PruneSQL.lock, parameters)
        var rewrite = Parameters(reservingBytes: cost)
        rewrite.append(key.tenant)
        rewrite.append(key.flowID)
        rewrite.append(Int32(clamping: rewritten.count))
        rewrite.append(bigints: rewritten.count) { rewritten[$0].version }
        rewrite.append(smallints: rewritten.count) { rewritten[$0].stored.codec.rawValue }
        rewrite.append(bigints: rewritten.count) { rewritten[$0].stored.base }
        rewrite.append(byteStrings: rewritten.count) { rewritten[$0].stored.bytes }
        pipeline.execute(PruneSQL.rewrite, rewrite)
        parameters.append(actor)
        pipeline.execute(PruneSQL.remove, parameters)
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<PruneOperation> {
        guard results.count == 3 else { throw .protocolViolation("\(results.count) results for 3 statements") }
        if try results[2].bool(0, 0) { return .finished(.raced) }
        return .finished(.removed(PrunedVersions(versions: try results[2].int64(0, 1), bytes: try results[2].int64(0, 2))))
    }
}

/// `$1` tenant, `$2` flow id, `$3` the floor, `$4` the lowest version to remove.
private enum PruneSQL {
    private static let types: [OID] = [.text, .text, .int8]
    private static let isPinned = """
        (EXISTS (SELECT FROM flowstate.checkpoint c WHERE c.tenant = v.tenant AND c.flow_id = v.flow_id AND c.version = v.version)
            OR EXISTS (SELECT FROM flowstate.quarantine q WHERE q.tenant = v.tenant AND q.flow_id = v.flow_id AND q.version = v.version))
        """
    /// What stays and is stored as a patch against what may go. It reads what stays, not what goes: that may be a million versions.
    private static let dependent = """
        SELECT v.version FROM flowstate.flow_version v
            WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version >= $3 AND v.base_version < $3
        UNION
        SELECT v.version FROM (
            SELECT c.version FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = $2
            UNION SELECT q.version FROM flowstate.quarantine q WHERE q.tenant = $1 AND q.flow_id = $2) p
        JOIN flowstate.flow_version v ON v.tenant = $1 AND v.flow_id = $2 AND v.version = p.version
            WHERE p.version < $3 AND v.base_version < $3
        """

    static let raise = Statement(
        name: "prune_raise",
        sql: """
            UPDATE flowstate.flow f SET base_floor = greatest(f.base_floor, least($3, f.version))
            WHERE f.tenant = $1 AND f.flow_id = $2 RETURNING least($3, f.version)
            """, parameterTypes: types)

    static let dependents = Statement(name: "prune_dependents", sql: dependent + " ORDER BY version", parameterTypes: types)

    static let lowest = Statement(
        name: "prune_lowest",
        sql: """
            SELECT v.version FROM flowstate.flow_version v
            WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version < $3 AND NOT \(isPinned) ORDER BY v.version DESC LIMIT $4
            """, parameterTypes: types + [.int8])

    /// Waits for checkpoints that are being made (`FOR KEY SHARE`); the statements behind it see them.
    static let lock = Statement(
        name: "prune_lock",
        sql: """
            SELECT v.version FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version < $3 AND v.version >= $4
            ORDER BY v.version FOR UPDATE
            """, parameterTypes: types + [.int8])

    static let rewrite = Statement(
        name: "prune_rewrite",
        sql: """
            UPDATE flowstate.flow_version v SET codec = ($5)[g.i], base_version = ($6)[g.i], state = ($7)[g.i]
            FROM generate_series(1, $3) g(i) WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version = ($4)[g.i]
            """, parameterTypes: [.text, .text, .int4, .int8Array, .int2Array, .int8Array, .byteaArray])

    static let remove = Statement(
        name: "prune_remove",
        sql: """
            WITH dependent AS (\(dependent) LIMIT 1),
            gone AS (DELETE FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version < $3 AND v.version >= $4 AND NOT \(isPinned)
                    AND NOT EXISTS (SELECT FROM dependent)
                RETURNING v.version, octet_length(v.state) AS bytes),
            audit AS (INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT $1, $2, 'versions_pruned', max(g.version), $5,
                    jsonb_build_object('versions', count(*), 'bytes', sum(g.bytes)), statement_timestamp()
                FROM gone g HAVING count(*) > 0)
            SELECT EXISTS (SELECT FROM dependent), count(*), coalesce(sum(g.bytes), 0)::bigint FROM gone g
            """, parameterTypes: types + [.int8, .text])
}
