import FlowModel
import Postgres

extension StateStore {
    /// Removes the versions of a flow below `floor`, but for the newest version and those with a checkpoint. Of what stays, states that
    /// were stored as patches against a version that goes are stored anew first, so every version that stays reads as before.
    ///
    /// Other servers may change the flow meanwhile. Long flows take a while: it reads what must be stored anew.
    ///
    /// - Returns: how many versions were removed.
    /// - Throws: `flowNotFound`; `dataLoss` when a state that must be stored anew cannot be read: then nothing is removed.
    @discardableResult
    public func pruneVersions(of key: FlowKey, below floor: FlowVersion, actor: String) async throws(StateError) -> Int64 {
        let floor = try await raiseFloor(key, floor)
        // What is known may refer to a version that goes.
        defer { resources.cache.forget(key) }
        // From here on no save refers to a version below the floor. A checkpoint that is made now may still pin one that does.
        for _ in 0..<Change.maximumAttempts {
            let dependents = try await dependents(key, floor)
            let rewritten = try await rewrite(dependents, of: key, floor)
            let pruning = PruneOperation(key: key, floor: floor, actor: actor, rewritten: rewritten)
            switch try await perform(pruning, on: database.writer(shard: Digest.shard(of: key))) {
            case .removed(let count): return count
            case .raced: continue
            }
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
        let rows = try await numbers(PruneSQL.raise, key, floor, on: database.writer(shard: Digest.shard(of: key)))
        guard let floor = rows.first else { throw .flowNotFound(flowID: key.flowID, deleted: false) }
        return floor
    }

    private func dependents(_ key: FlowKey, _ floor: FlowVersion) async throws(StateError) -> [FlowVersion] {
        try await numbers(PruneSQL.dependents, key, floor, on: database.reader)
    }

    private func numbers(_ statement: Statement, _ key: FlowKey, _ floor: FlowVersion, on lane: Lane) async throws(StateError) -> [Int64] {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(floor)
        let query = Query<[Int64]>(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            var numbers: [Int64] = []
            for row in 0..<rows.count { numbers.append(try rows.int64(row, 0)) }
            return .success(numbers)
        }
        return try await perform(query, on: lane).get()
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

    private func perform<O: Postgres.Operation>(_ operation: O, on lane: Lane) async throws(StateError) -> O.Outcome {
        do {
            return try await lane.run(operation)
        } catch {
            throw StateError(error)
        }
    }
}

/// A version whose state is stored in another way than before.
struct RewrittenVersion: Sendable {
    let version: FlowVersion
    let stored: StoredState
}

/// Stores states anew and removes what nobody refers to any more, in one transaction.
struct PruneOperation: SingleOperation {
    enum Outcome: Sendable, Equatable {
        case removed(Int64)
        /// A version that stays refers to one that goes: it got a checkpoint meanwhile.
        case raced
    }

    let key: FlowKey
    let floor: FlowVersion
    let actor: String
    let rewritten: [RewrittenVersion]

    var cost: Int { rewritten.reduce(256) { $0 + $1.stored.bytes.count } }
    var company: Company { .nobody }
    var lockOrder: UInt64? { Digest.shard(of: key) }

    func enqueue(into pipeline: inout Pipeline) {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(floor)
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
        return .finished(try results[2].bool(0, 0) ? .raced : .removed(try results[2].int64(0, 1)))
    }
}

/// `$1` tenant, `$2` flow id, `$3` the floor.
private enum PruneSQL {
    private static let types: [OID] = [.text, .text, .int8]
    private static let isPinned = """
        (EXISTS (SELECT FROM flowstate.checkpoint c WHERE c.tenant = v.tenant AND c.flow_id = v.flow_id AND c.version = v.version)
            OR EXISTS (SELECT FROM flowstate.quarantine q WHERE q.tenant = v.tenant AND q.flow_id = v.flow_id AND q.version = v.version))
        """
    /// What stays and is stored as a patch against what may go.
    private static let dependent = """
        SELECT v.version FROM flowstate.flow_version v
        WHERE v.tenant = $1 AND v.flow_id = $2 AND v.base_version < $3 AND (v.version >= $3 OR \(isPinned))
        """

    static let raise = Statement(
        name: "prune_raise",
        sql: """
            UPDATE flowstate.flow f SET base_floor = greatest(f.base_floor, least($3, f.version))
            WHERE f.tenant = $1 AND f.flow_id = $2 RETURNING least($3, f.version)
            """, parameterTypes: types)

    static let dependents = Statement(name: "prune_dependents", sql: dependent + " ORDER BY v.version", parameterTypes: types)

    /// Waits for checkpoints that are being made (`FOR KEY SHARE`); the statements behind it see them.
    static let lock = Statement(
        name: "prune_lock",
        sql: """
            SELECT v.version FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version < $3
            ORDER BY v.version FOR UPDATE
            """, parameterTypes: types)

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
                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version < $3 AND NOT \(isPinned) AND NOT EXISTS (SELECT FROM dependent)
                RETURNING v.version, octet_length(v.state) AS bytes),
            audit AS (INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT $1, $2, 'versions_pruned', max(g.version), $4,
                    jsonb_build_object('versions', count(*), 'bytes', sum(g.bytes)), statement_timestamp()
                FROM gone g HAVING count(*) > 0)
            SELECT EXISTS (SELECT FROM dependent), (SELECT count(*) FROM gone)
            """, parameterTypes: types + [.text])
}
