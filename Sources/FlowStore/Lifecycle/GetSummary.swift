import FlowModel
import JSON
import Postgres

extension GetSummaryCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> FlowSummary {
        var load = LoadCommand(key: key)
        // What a definition would read of such a state counts as absent.
        load.findsParts = true
        let snapshot = try await store.snapshot(load, for: context)
        let definition = try await store.definition(for: snapshot.head, context)?.definition
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        let query = Query<Totals>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            .success(try Self.totals(rows))
        }
        let totals = try await store.ask(query, for: context)
        let limits = store.limits
        return try await store.compute([snapshot.state], context) { budget throws(StateError) in
            let lastError = try? JSONDocument(totals.lastError, maximumDepth: limits.jsonDepth)
            return FlowSummary(
                head: snapshot.head,
                phases: try FlowSummary.Phase.all(snapshot, definition, visits: totals.visits, limits: limits, budget: budget),
                versions: totals.versions, checkpoints: totals.checkpoints, errors: totals.errors, recoveries: totals.recoveries,
                lastError: lastError?.root["error"]?.string ?? "", storedBytes: totals.storedBytes)
        }
    }

    private struct Totals: Sendable {
        var visits: [(phase: String, enteredAt: Timestamp?, completedAt: Timestamp?)] = []
        var versions: Int64 = 0
        var errors: Int64 = 0
        var recoveries: Int64 = 0
        var storedBytes: Int64 = 0
        var checkpoints: Int64 = 0
        var lastError: [UInt8] = []
    }

    private static func totals(_ rows: ResultRows) throws(PostgresError) -> Totals {
        var totals = Totals()
        for row in 0..<rows.count {
            totals.visits.append(
                (
                    try rows.text(row, 0), try rows.timestampIfPresent(row, 1).map { Timestamp(microseconds: $0) },
                    try rows.timestampIfPresent(row, 2).map { Timestamp(microseconds: $0) }
                ))
            totals.versions += try rows.int64(row, 3)
            totals.errors += try rows.int64(row, 4)
            totals.recoveries += try rows.int64(row, 5)
            totals.storedBytes += try rows.int64(row, 6)
            totals.checkpoints = try rows.int64(row, 7)
            totals.lastError = try rows.bytesIfPresent(row, 8) ?? []
        }
        return totals
    }

    /// One row a phase. The version that created the flow, or moved it to a phase, is the one with which it entered the phase.
    private static let statement = Statement(
        name: "summarize_flow",
        sql: """
            SELECT v.phase, max(v.created_at) FILTER (WHERE v.kind IN (\(VersionKind.created.rawValue), \(VersionKind.transitioned.rawValue))),
                max(v.created_at) FILTER (WHERE v.kind = \(VersionKind.phaseCompleted.rawValue)), count(*),
                count(*) FILTER (WHERE v.kind = \(VersionKind.errorReported.rawValue)),
                count(*) FILTER (WHERE v.kind = \(VersionKind.recovered.rawValue)),
                coalesce(sum(\(VersionRow.storedBytes("v"))), 0)::bigint,
                (SELECT count(*) FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = $2),
                (SELECT l.metadata FROM flowstate.flow_version l WHERE l.tenant = $1 AND l.flow_id = $2
                    AND l.kind = \(VersionKind.errorReported.rawValue) ORDER BY l.version DESC LIMIT 1)
            FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.flow_id = $2 GROUP BY v.phase
            """,
        parameterTypes: [.text, .text])
}
