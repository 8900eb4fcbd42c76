import FlowModel
import Postgres
import Resources

extension AcquireLeaseCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    /// Who has to wait stands in a line of this server; only the first of it asks PostgreSQL.
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> FlowLease {
        let end = Instant.now + .milliseconds(min(waitMilliseconds, store.limits.maximumDeadlineMilliseconds))
        let line = store.resources.leaseLine
        if waitMilliseconds == 0 || !line.isOccupied(key) {
            let row = try await attempt(in: store, for: context)
            if let lease = row.lease, row.isChanged { return lease }
            if waitMilliseconds == 0 { throw row.lost(key.flowID) }
        }
        let place = line.join(key)
        defer { line.leave(place) }
        await line.turn(of: place, until: end) { context.abandonment != nil }
        var pause = Self.shortestPause
        while true {
            if let reason = context.abandonment { throw reason }
            if line.isClosed { throw StateError(.shutdown) }
            let row = try await attempt(in: store, for: context)
            if let lease = row.lease, row.isChanged { return lease }
            let rest = Instant.now.duration(to: end)
            guard rest > .zero else { throw row.lost(key.flowID) }
            // Another server may give it back at any time; when it runs out is known.
            await line.pause(place, for: min(pause, rest, .milliseconds(max(row.millisecondsLeft.rounded(.up), 1))))
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private static let shortestPause = Duration.milliseconds(10)
    private static let longestPause = Duration.milliseconds(200)

    private func attempt(in store: StateStore, for context: OperationContext) async throws(StateError) -> LeaseRow {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(holder)
        parameters.append(actor)
        parameters.append(Double(ttlMilliseconds ?? store.limits.leaseMilliseconds) / 1_000)
        // Not changed, though no one has it: another transaction changed the lease after the statement's snapshot was taken.
        return try await store.changeLease(LeaseSQL.acquire, parameters, of: key, for: context) { $0.millisecondsLeft > 0 }
    }
}

extension StateStore {
    /// Runs a statement of `LeaseSQL`.
    ///
    /// - Parameter isRefused: of a lease that was not changed: whether what the statement saw of it is why.
    func changeLease(
        _ statements: (first: Statement, held: Statement), _ parameters: Parameters, of key: FlowKey, for context: OperationContext,
        isRefused: @escaping @Sendable (LeaseRow) -> Bool
    ) async throws(StateError) -> LeaseRow {
        let flowID = key.flowID
        let single = Change.SingleStatement(statement: statements.held, first: statements.first, parameters: parameters) {
            rows throws(PostgresError) in
            guard rows.count > 0 else { return .refused(.flowNotFound(flowID: flowID, deleted: false)) }
            let row = try LeaseRow(rows, flowID: flowID)
            if row.isDeleted { return .refused(.flowNotFound(flowID: flowID, deleted: true)) }
            return row.isChanged || isRefused(row) ? .done(.lease(row)) : .retry
        }
        return try await make(Change(key, resources, .statement(single)), for: context) { $0.lease }
    }
}
