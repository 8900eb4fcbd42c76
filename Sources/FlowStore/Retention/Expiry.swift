import FlowModel
import Postgres

/// Flows that end by themselves: a save sets `SaveCommand.ttlMilliseconds`, every save renews it, and a load does if it is asked to.
enum ExpirySQL {
    /// The time to live after a save. `parameter`: milliseconds; NULL: as before, 0: none.
    static func ttl(_ parameter: String, before: String) -> String {
        "CASE WHEN \(parameter) IS NULL THEN \(before) ELSE nullif(\(parameter), 0) END"
    }

    static func end(_ time: String, ttl: String) -> String { "\(time) + (\(ttl)) * interval '1 millisecond'" }

    /// Renews the flow `$1`, `$2`, unless that was done a moment ago: a sixteenth of the time to live. Caches must forget its end, so they
    /// forget the flow.
    static let renew = Statement(
        name: "renew_expiry",
        sql: """
            UPDATE flowstate.flow f SET expires_at = \(end("statement_timestamp()", ttl: "f.ttl_ms")), checkpoint_epoch = f.checkpoint_epoch + 1
            WHERE f.tenant = $1 AND f.flow_id = $2 AND \(isDue)
            """, parameterTypes: [.text, .text])

    static let asksRenewal = Statement(
        name: "asks_expiry_renewal",
        sql: "SELECT EXISTS (SELECT FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2 AND \(isDue))",
        parameterTypes: [.text, .text])

    private static let isDue = """
        f.expires_at IS NOT NULL AND f.deleted_at IS NULL
            AND f.expires_at < statement_timestamp() + f.ttl_ms * interval '0.9375 milliseconds'
        """

    /// Whether the time of the flow `f` is over, and no one has a lease on it.
    static let isOver = "f.expires_at <= statement_timestamp() AND NOT \(LeaseSQL.isLive("f"))"

    /// Flows that have ended, the first first, `$1` at most.
    static let ended = Statement(
        name: "expired_flows",
        sql: """
            SELECT f.tenant, f.flow_id, f.version FROM flowstate.flow f
            WHERE f.deleted_at IS NULL AND \(isOver)
            ORDER BY f.expires_at LIMIT $1
            """, parameterTypes: [.int8])
}

extension StateStore {
    /// Deletes flows whose time is over, each as a client would. Call it from time to time; several servers may do so at once.
    ///
    /// - Returns: how many were deleted.
    @discardableResult
    package func deleteExpired(batch: Int = 100) async throws(StateError) -> Int {
        var deleted = 0
        while !Task.isCancelled {
            var parameters = Parameters()
            parameters.append(Int64(batch))
            let flows = try await rowsInBackground(ExpirySQL.ended, parameters) { rows, row throws(PostgresError) in
                (key: FlowKey(stored: try rows.text(row, 0), flowID: try rows.text(row, 1)), version: try rows.int64(row, 2))
            }
            let results = await concurrently(flows, width: 16) { (flow: (key: FlowKey, version: FlowVersion)) async throws(StateError) in
                var deletion = DeleteFlowCommand(key: flow.key, actor: Self.cleanupActor, precondition: .expected(flow.version))
                deletion.onlyExpired = true
                do throws(StateError) {
                    _ = try await self.run(deletion)
                    return true
                } catch {
                    switch error {
                    // It was saved, renewed, leased or deleted meanwhile.
                    case .versionConflict, .flowNotFound: return false
                    default: throw error
                    }
                }
            }
            for result in results where try result.get() { deleted += 1 }
            if flows.count < batch { break }
        }
        return deleted
    }
}

/// A load that renews the time to live of its flow.
struct RenewingLoad: TaskCommand {
    private let load: LoadCommand

    init(_ load: LoadCommand) {
        var load = load
        load.renewsTTL = false
        self.load = load
    }

    func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> LoadOutcome {
        let outcome = try await loaded(in: store, context)
        guard outcome.head.expiresAt != nil else { return outcome }
        var parameters = Parameters()
        parameters.append(load.key.tenant)
        parameters.append(load.key.flowID)
        var asks = Query<Bool>(statement: ExpirySQL.asksRenewal, parameters: parameters) { rows throws(PostgresError) in
            .success(try rows.bool(0, 0))
        }
        asks.goesWithOthers()
        guard try await store.ask(asks, for: context) else { return outcome }
        let renew = Query<Int64>(statement: ExpirySQL.renew, parameters: parameters) { rows throws(PostgresError) in
            .success(Int64(rows.affectedRows))
        }
        _ = try await store.ask(renew, shard: Shard.of(load.key), for: context)
        return try await loaded(in: store, context)
    }

    private func loaded(in store: StateStore, _ context: OperationContext) async throws(StateError) -> LoadOutcome {
        try await store.load(load, for: context)
    }
}

extension LoadOutcome {
    fileprivate var head: FlowHead {
        switch self {
        case .snapshot(let snapshot): snapshot.head
        case .unchanged(let head, _): head
        case .withWrites(let outcome, _): outcome.head
        }
    }
}
