import FlowModel
import Postgres
import Resources

extension StateStore {
    /// Cleans up if that is due and no other server is cleaning up, from where the last clean-up stopped. It works half of the time at
    /// most, so that callers hardly notice.
    ///
    /// - Parameters:
    ///   - holder: The name of this server, for people.
    /// - Returns: what was removed; nil: it was not due, or another server is cleaning up.
    package func cleanUpIfDue(holder: String) async throws(StateError) -> CleanupResult? {
        let claim = CleanupClaim(holder: holder + " " + IDGenerator.next())
        guard let place = try await runInBackground(claim.begin(intervalSeconds: cleanup.intervalSeconds)).get() else { return nil }
        var command = CleanupCommand(actor: Self.cleanupActor)
        command.maximumRows = .max
        var lastEnd = Instant.now
        // The counts when the pass reached its current tenant.
        var tenant = (name: place.tenant, before: CleanupCounts())
        var pass = CleanupPass(store: self, command: command, from: place, isOver: { Task.isCancelled }) {
            place, counts throws(StateError) in
            if place.tenant != tenant.name { tenant = (place.tenant, counts) }
            try await self.runInBackground(claim.tell(place, counts, ofTenant: counts - tenant.before)).get()
            // Pauses for as long as the last transaction took.
            try? await Task.sleep(for: min(.now - lastEnd, .seconds(1)))
            lastEnd = .now
        }
        do throws(StateError) {
            let result = try await pass.run()
            await end(claim, result.isIncomplete ? pass.place : .start, result.counts, isAtTheEnd: !result.isIncomplete)
            return result
        } catch {
            await end(claim, pass.place, pass.counts, isAtTheEnd: false)
            throw error
        }
    }

    /// Records the end of a pass as far as possible, since what ended it may end this too, and in a task of its own, since this one may
    /// have been cancelled.
    private func end(_ claim: CleanupClaim, _ place: CleanupPlace, _ counts: CleanupCounts, isAtTheEnd: Bool) async {
        let query = claim.end(place, counts, isAtTheEnd: isAtTheEnd)
        await Task { _ = try? await runInBackground(query, deadline: .now + .seconds(2)).get() }.value
    }

    /// The actor of clean-ups that servers start by themselves.
    static let cleanupActor = "flowstate"
}

/// The row that records which server is cleaning up. The holder writes its progress into it, which also renews the claim.
struct CleanupClaim: Sendable {
    /// How long another server waits for the holder to renew its claim.
    static let seconds = 60.0

    let holder: String

    /// Where to begin; nil: a clean-up is not due, or another server is cleaning up.
    func begin(intervalSeconds: Int64) -> Query<CleanupPlace?> {
        var parameters = Parameters()
        parameters.append(holder)
        parameters.append(Self.seconds)
        parameters.append(Double(intervalSeconds))
        parameters.append(Double(min(intervalSeconds, Self.longestPause)))
        return Query(statement: CleanupClaimSQL.begin, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count == 1 else { return .success(nil) }
            return .success(CleanupPlace(tenant: try rows.text(0, 0), flowID: try rows.text(0, 1)))
        }
    }

    /// A pass that stopped on its way is continued after so many seconds at most, however long the interval.
    private static let longestPause: Int64 = 60

    /// - Throws: `cancelled`, when another server has taken over meanwhile.
    func tell(_ place: CleanupPlace, _ counts: CleanupCounts, ofTenant tenantCounts: CleanupCounts) -> Query<Void> {
        query(CleanupClaimSQL.tell, place, counts) {
            $0.append(Self.seconds)
            let numbers = tenantCounts.numbers
            $0.append(bigints: numbers.count) { numbers[$0] }
        }
    }

    /// Ends the pass: it reached the end, or the next one continues.
    func end(_ place: CleanupPlace, _ counts: CleanupCounts, isAtTheEnd: Bool) -> Query<Void> {
        query(CleanupClaimSQL.end, place, counts) { $0.append(isAtTheEnd) }
    }

    private func query(
        _ statement: Statement, _ place: CleanupPlace, _ counts: CleanupCounts, _ append: (inout Parameters) -> Void
    ) -> Query<Void> {
        var parameters = Parameters()
        parameters.append(holder)
        parameters.append(place.tenant)
        parameters.append(place.flowID)
        let numbers = counts.numbers
        parameters.append(bigints: numbers.count) { numbers[$0] }
        append(&parameters)
        return Query(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            rows.count == 1 ? .success(()) : .failure(.cancelled)
        }
    }
}

extension GetCleanupRunCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> CleanupRun? {
        var parameters = Parameters()
        parameters.append(tenant)
        var query = Query<CleanupRun?>(statement: CleanupClaimSQL.get, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .success(nil) }
            var counts: [Int64] = []
            for column in 4..<rows.columnCount { counts.append(try rows.int64(0, column)) }
            return .success(
                CleanupRun(
                    holder: try rows.text(0, 0), startedAt: Timestamp(microseconds: try rows.timestamp(0, 1)),
                    finishedAt: try rows.timestampIfPresent(0, 2).map { Timestamp(microseconds: $0) }, flowID: try rows.text(0, 3),
                    counts: CleanupCounts(numbers: counts)))
        }
        query.goesWithOthers()
        return try await store.ask(query, for: context)
    }
}

extension CleanupCounts {
    /// In the order of `cleanup_run.counts`.
    private static let fields: [WritableKeyPath<CleanupCounts, Int64> & Sendable] = [
        \.versions, \.flows, \.endedFlows, \.checkpoints, \.quarantined, \.events, \.idempotencyRecords, \.bytes, \.skipped,
    ]
    fileprivate static var fieldCount: Int { fields.count }

    fileprivate var numbers: [Int64] { Self.fields.map { self[keyPath: $0] } }

    fileprivate static func - (all: CleanupCounts, part: CleanupCounts) -> CleanupCounts {
        CleanupCounts(numbers: zip(all.numbers, part.numbers).map { $0 - $1 })
    }

    fileprivate init(numbers: [Int64]) {
        self.init()
        for (field, number) in zip(Self.fields, numbers) { self[keyPath: field] = number }
    }
}

private enum CleanupClaimSQL {
    private static let fields = 1...CleanupCounts.fieldCount

    /// `$1` holder, `$2` seconds until another server may take over, `$3` seconds between two passes, `$4` seconds after one that stopped
    /// on its way. If the holder has died, the flow that it had reached is skipped, since that may be the cause.
    static let begin = Statement(
        name: "cleanup_begin",
        sql: """
            INSERT INTO flowstate.cleanup_run AS r (id, holder, claimed_until, started_at, counts)
            VALUES (1, $1, statement_timestamp() + make_interval(secs => $2), statement_timestamp(),
                '{\(fields.map { _ in "0" }.joined(separator: ","))}')
            ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, claimed_until = excluded.claimed_until,
                started_at = excluded.started_at, finished_at = NULL, counts = excluded.counts
            WHERE CASE WHEN r.finished_at IS NULL THEN r.claimed_until < statement_timestamp()
                ELSE r.started_at < statement_timestamp() - make_interval(secs => $3)
                    OR r.tenant <> '' AND r.finished_at < statement_timestamp() - make_interval(secs => $4) END
            RETURNING r.tenant, r.flow_id
            """, parameterTypes: [.text, .float8, .float8, .float8])

    /// `$1` holder, `$2` tenant and `$3` flow, `$4` counts, `$5` seconds, `$6` counts of the tenant.
    static let tell = Statement(
        name: "cleanup_tell",
        sql: """
            WITH run AS (
                UPDATE flowstate.cleanup_run r SET tenant = $2, flow_id = $3, counts = $4,
                    claimed_until = statement_timestamp() + make_interval(secs => $5)
                WHERE r.id = 1 AND r.holder = $1 RETURNING r.started_at)
            INSERT INTO flowstate.cleanup_tenant AS t (tenant, started_at, counts) SELECT $2, run.started_at, $6 FROM run
            ON CONFLICT (tenant) DO UPDATE SET started_at = excluded.started_at, counts = excluded.counts RETURNING true
            """, parameterTypes: [.text, .text, .text, .int8Array, .float8, .int8Array])

    /// `$5`: whether it reached the end.
    static let end = Statement(
        name: "cleanup_end",
        sql: """
            UPDATE flowstate.cleanup_run r SET finished_at = statement_timestamp(), counts = $4,
                tenant = CASE WHEN $5 THEN '' ELSE $2 END, flow_id = CASE WHEN $5 THEN '' ELSE $3 END
            WHERE r.id = 1 AND r.holder = $1 RETURNING true
            """, parameterTypes: [.text, .text, .text, .int8Array, .bool])

    /// `$1` tenant.
    static let get = Statement(
        name: "cleanup_get",
        sql: """
            SELECT r.holder, r.started_at, r.finished_at, CASE WHEN r.tenant = $1 THEN r.flow_id ELSE '' END, \
            \(fields.map { "coalesce(t.counts[\($0)], 0)" }.joined(separator: ", ")) FROM flowstate.cleanup_run r
            LEFT JOIN flowstate.cleanup_tenant t ON t.tenant = $1 AND t.started_at = r.started_at WHERE r.id = 1
            """, parameterTypes: [.text])
}
