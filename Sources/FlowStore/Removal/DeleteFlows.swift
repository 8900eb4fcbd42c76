import Compression
import FlowModel
import Postgres

extension DeleteFlowsCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> [String] {
        let limit = atMost == 0 ? store.limits.flowsPerCall : atMost
        let ids = try await store.flows(of: tenant, labels: labels, limit: limit, for: context)
        if ids.isEmpty { return [] }
        var keys: [FlowKey] = []
        for id in ids { keys.append(try FlowKey(tenant: tenant, flowID: id, limits: store.limits)) }
        // As the changes of a batch lock them.
        let shards = Dictionary(keys.map { ($0, Shard.of($0)) }) { first, _ in first }
        keys.sort { left, right in
            let (one, other) = (shards[left] ?? 0, shards[right] ?? 0)
            return one == other ? left.precedes(right) : one < other
        }
        let operation = DeleteFlowsOperation(command: self, keys: keys)
        let deleted: [String]
        switch await store.runChange(operation, shard: Shard.of(keys[0]), for: context) {
        case .success(let ids): deleted = ids
        case .failure(let error): throw StateError(error)
        }
        for key in keys { store.resources.cache.invalidate(key) }
        return deleted.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}

/// Locks the heads of the flows, and writes their tombstones. A flow that does not have the labels any more, or was deleted, is left out.
private struct DeleteFlowsOperation: SingleOperation {
    typealias Outcome = [String]

    let command: DeleteFlowsCommand
    let keys: [FlowKey]

    var cost: Int { keys.count * 256 }
    var affinity: BatchAffinity { .exclusive }

    func enqueue(into pipeline: inout Pipeline) {
        HeadLock.enqueue(keys, into: &pipeline)
        var parameters = Parameters()
        parameters.append(command.tenant)
        parameters.append(texts: keys.count) { keys[$0].flowID }
        parameters.append(LabelsJSON.encode(command.labels))
        parameters.append(VersionKind.deleted.rawValue)
        parameters.append(command.actor)
        parameters.append(bytes: XXH3.digest([]))
        parameters.append(StateCodec.raw.rawValue)
        pipeline.execute(Self.statement, parameters)
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        guard results.count == 2 else { throw .protocolViolation("\(results.count) results for 2 statements") }
        var ids: [String] = []
        for row in 0..<results[1].count { ids.append(try results[1].text(row, 0)) }
        return .finished(ids)
    }

    private static let statement = Statement(
        name: "delete_flows",
        sql: """
            WITH head AS (
                UPDATE flowstate.flow f SET \(TombstoneSQL.head)
                FROM unnest($2) i(flow_id)
                WHERE f.tenant = ANY (ARRAY[$1]) AND f.flow_id = i.flow_id AND f.deleted_at IS NULL AND f.labels @> $3::jsonb
                    AND \(HeadLock.isHeld)
                RETURNING f.flow_id, \(TombstoneSQL.returning)),
            ver AS (\(TombstoneSQL.version(flowID: "h.flow_id", kind: "$4", actor: "$5", digest: "$6", codec: "$7", from: "head h")))
            SELECT h.flow_id FROM head h
            """,
        parameterTypes: [.text, .textArray, .text, .int2, .text, .bytea, .int2])
}

/// The parts of statements that delete flows. The tombstone keeps the row of the head, so that a late save finds it and is refused. Who had
/// the lease loses it for good.
enum TombstoneSQL {
    static let head = """
        version = f.version + 1, updated_at = greatest(statement_timestamp(), f.updated_at),
            deleted_at = greatest(statement_timestamp(), f.updated_at), lease_token = f.lease_token + 1,
            lease_holder = NULL, lease_acquired_at = NULL, lease_expires_at = NULL, ttl_ms = NULL, expires_at = NULL,
            \(DueSQL.cleared)
        """

    static let returning = "f.version, f.phase, f.status, f.progress, f.updated_at"

    /// - Parameter source: what comes behind FROM; the head is `h`.
    static func version(flowID: String, kind: String, actor: String, digest: String, codec: String, from source: String) -> String {
        """
        INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind,
            codec, digest, actor, content_type, phase, status, state)
        SELECT $1, \(flowID), h.version, h.version - 1, 0, h.updated_at, h.progress, \(kind), \(codec), \(digest), \(actor), '', h.phase,
            h.status, ''
        FROM \(source)
        """
    }
}

extension StateStore {
    /// Runs an operation that changes several flows, on the connection for large changes.
    func runChange<O: Postgres.Operation>(
        _ operation: O, shard: UInt64, for context: OperationContext
    ) async -> Result<O.Outcome, PostgresError> {
        await withCheckedContinuation { continuation in
            database.group(for: .largeWrite(shard: shard)).enqueue(
                operation, caller: context.caller, deadline: context.deadline, cancellation: context.cancellation,
                executor: InlineExecutor.shared
            ) { continuation.resume(returning: $0) }
        }
    }
}
