import FlowModel
import Postgres

extension PurgeIdempotencyCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        guard ageMilliseconds >= 0, limit > 0 else {
            throw .invalidArgument(field: "limit", message: "age and limit must not be negative, nor the limit 0")
        }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Int64 {
        var parameters = Parameters()
        parameters.append(Double(ageMilliseconds) / 1_000)
        parameters.append(Int64(limit))
        let query = Query(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            .success(try rows.int64(0, 0))
        }
        return try await store.ask(query, shard: 0, for: context)
    }

    /// Skips keys that another server is deleting at the same time.
    private static let statement = Statement(
        name: "purge_idempotency",
        sql: """
            WITH old AS (
                SELECT tenant, key FROM flowstate.idempotency
                WHERE recorded_at < statement_timestamp() - make_interval(secs => $1)
                ORDER BY recorded_at LIMIT $2 FOR UPDATE SKIP LOCKED),
            gone AS (
                DELETE FROM flowstate.idempotency i USING old o WHERE i.tenant = o.tenant AND i.key = o.key RETURNING 1)
            SELECT count(*) FROM gone
            """,
        parameterTypes: [.float8, .int8])
}

extension StateStore {
    /// Deletes every idempotency key that is past its retention, in small transactions. Call it from time to time.
    ///
    /// - Parameters:
    ///   - batch: The most keys that a transaction deletes.
    ///   - limit: The most keys to delete.
    ///   - isOver: Asked between transactions.
    /// - Returns: the number of deleted keys.
    @discardableResult
    package func purgeIdempotency(
        batch: Int = 1_000, limit: Int64 = .max, isOver: @Sendable () -> Bool = { Task.isCancelled }
    ) async throws(StateError) -> Int64 {
        var total: Int64 = 0
        while total < limit, !isOver() {
            let most = min(Int64(batch), limit - total)
            let count = try await run(
                PurgeIdempotencyCommand(ageMilliseconds: limits.idempotencyRetentionMilliseconds, limit: Int(most)))
            total += count
            if count < most { break }
        }
        return total
    }
}
