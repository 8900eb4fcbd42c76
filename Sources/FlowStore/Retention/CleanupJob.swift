public import FlowModel
import Postgres

extension StateStore {
    /// Cleans up if that is due and no other server is at it. It works half of the time at most, so that callers hardly notice.
    ///
    /// - Parameters:
    ///   - holder: This server, for people.
    /// - Returns: what was removed; nil: it was not due, or another server is at it.
    public func cleanUpIfDue(holder: String) async throws(StateError) -> CleanupResult? {
        let claim = CleanupClaim(holder: holder + " " + IDGenerator.next())
        guard try await runInBackground(claim.begin(intervalSeconds: cleanup.intervalSeconds)).get() else { return nil }
        var command = CleanupCommand(actor: Self.cleanupActor)
        command.maximumRows = .max
        let clock = ContinuousClock()
        var lastEnd = clock.now
        let told = { (tenant: String, flowID: String, counts: CleanupCounts, isFinished: Bool) async throws(StateError) in
            try await self.runInBackground(claim.tell(tenant, flowID, counts, isFinished: isFinished)).get()
        }
        var pass = CleanupPass(store: self, command: command, isOver: { Task.isCancelled }) {
            tenant, flowID, counts throws(StateError) in
            try await told(tenant, flowID, counts, false)
            // As long as the last transaction took.
            try? await clock.sleep(for: min(clock.now - lastEnd, .seconds(1)))
            lastEnd = clock.now
        }
        let result: CleanupResult
        do throws(StateError) {
            result = try await pass.run()
        } catch {
            // Tried again when it is due, not at once. Told as far as that goes: what stopped it may stop this too.
            if !Task.isCancelled { try? await told("", "", pass.counts, true) }
            throw error
        }
        // One that was stopped is taken up by another server when the claim has run out.
        if !result.isIncomplete { try await told("", "", result.counts, true) }
        return result
    }

    /// Who acts when nobody asked.
    static let cleanupActor = "flowstate"
}

/// The row that says which server is at it. Whoever holds it tells how far it has come, and keeps it by that.
struct CleanupClaim: Sendable {
    /// How long another server waits for a sign of life.
    static let seconds = 60.0

    let holder: String

    func begin(intervalSeconds: Int64) -> Query<Bool> {
        var parameters = Parameters()
        parameters.append(holder)
        parameters.append(Self.seconds)
        parameters.append(Double(intervalSeconds))
        return Query(statement: CleanupClaimSQL.begin, parameters: parameters) { rows throws(PostgresError) in .success(rows.count == 1) }
    }

    /// - Throws: `cancelled`, when it was another server's turn meanwhile.
    func tell(_ tenant: String, _ flowID: String, _ counts: CleanupCounts, isFinished: Bool) -> Query<Void> {
        var parameters = Parameters()
        parameters.append(holder)
        parameters.append(Self.seconds)
        parameters.append(tenant)
        parameters.append(flowID)
        let numbers = counts.numbers
        parameters.append(bigints: numbers.count) { numbers[$0] }
        parameters.append(isFinished)
        return Query(statement: CleanupClaimSQL.tell, parameters: parameters) { rows throws(PostgresError) in
            rows.count == 1 ? .success(()) : .failure(.cancelled)
        }
    }
}

extension GetCleanupRunCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<CleanupRun?, StateError>) -> Void
    ) throws(StateError) {
        var query = Query<CleanupRun?>(statement: CleanupClaimSQL.get, parameters: Parameters()) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .success(nil) }
            var counts: [Int64] = []
            for column in 5..<rows.columnCount { counts.append(try rows.int64(0, column)) }
            return .success(
                CleanupRun(
                    holder: try rows.text(0, 0), startedAt: try FlowRow.time(rows, 0, 1),
                    finishedAt: try rows.timestampIfPresent(0, 2).map { Timestamp(microseconds: $0) }, tenant: try rows.text(0, 3),
                    flowID: try rows.text(0, 4), counts: CleanupCounts(numbers: counts)))
        }
        query.goesWithOthers()
        store.submit(query, context, completion)
    }
}

extension CleanupCounts {
    /// In the order of `cleanup_run.counts`.
    fileprivate var numbers: [Int64] {
        [versions, flows, endedFlows, checkpoints, quarantined, events, idempotencyRecords, bytes]
    }

    fileprivate init(numbers: [Int64]) {
        self.init()
        guard numbers.count == 8 else { return }
        (versions, flows, endedFlows, checkpoints) = (numbers[0], numbers[1], numbers[2], numbers[3])
        (quarantined, events, idempotencyRecords, bytes) = (numbers[4], numbers[5], numbers[6], numbers[7])
    }
}

private enum CleanupClaimSQL {
    /// `$1` holder, `$2` seconds until another one may take over, `$3` seconds between two.
    static let begin = Statement(
        name: "cleanup_begin",
        sql: """
            INSERT INTO flowstate.cleanup_run AS r (id, holder, claimed_until, started_at, counts)
            VALUES (1, $1, statement_timestamp() + make_interval(secs => $2), statement_timestamp(), '{0,0,0,0,0,0,0,0}')
            ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, claimed_until = excluded.claimed_until,
                started_at = excluded.started_at, finished_at = NULL, tenant = '', flow_id = '', counts = excluded.counts
            WHERE CASE WHEN r.finished_at IS NULL THEN r.claimed_until < statement_timestamp()
                ELSE r.started_at < statement_timestamp() - make_interval(secs => $3) END
            RETURNING true
            """, parameterTypes: [.text, .float8, .float8])

    static let tell = Statement(
        name: "cleanup_tell",
        sql: """
            UPDATE flowstate.cleanup_run r SET claimed_until = statement_timestamp() + make_interval(secs => $2),
                tenant = $3, flow_id = $4, counts = $5, finished_at = CASE WHEN $6 THEN statement_timestamp() END
            WHERE r.id = 1 AND r.holder = $1 RETURNING true
            """, parameterTypes: [.text, .float8, .text, .text, .int8Array, .bool])

    static let get = Statement(
        name: "cleanup_get",
        sql: """
            SELECT r.holder, r.started_at, r.finished_at, r.tenant, r.flow_id, \
            \((1...8).map { "coalesce(r.counts[\($0)], 0)" }.joined(separator: ", ")) FROM flowstate.cleanup_run r WHERE r.id = 1
            """, parameterTypes: [])
}
