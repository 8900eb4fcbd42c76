import FlowModel
import Postgres

extension PutDefinitionCommand: TaskCommand {
    package func answerBytes(limits: Limits) -> Int { min(document.count, limits.definitionBytes) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> DefinitionRecord {
        let limits = store.limits
        let flowType = try await store.compute([document], context) { budget throws(StateError) in
            try check(limits: limits, budget: budget)
        }.flowType
        var parameters = Parameters(reservingBytes: document.count + 256)
        parameters.append(tenant)
        parameters.append(flowType)
        parameters.append(bytes: document)
        parameters.append(actor)
        parameters.append(expectedRevision)
        parameters.append(Int64(store.limits.definitions))
        let (expected, limit) = (expectedRevision, store.limits.definitions)
        let query = Query<DefinitionRecord>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            let latest = try rows.int64IfPresent(0, 0) ?? 0
            if let expected, expected != latest {
                return .failure(.definitionConflict(flowType: flowType, expected: expected, actual: latest))
            }
            if let types = try rows.int64IfPresent(0, 1) {
                return .failure(.tooMany(what: "definitions", count: Int(clamping: types), limit: limit))
            }
            return .success(try DefinitionRow.record(rows, 0, from: 2))
        }
        defer { store.resources.directory.invalidate(tenant) }
        return try await store.ask(query, shard: Shard.of(tenant, flowType), for: context)
    }

    /// Two requests that race for a revision conflict at the primary key; the loser runs again (`BatchPlan.isTransient`) and finds the
    /// other's. The second column is the number of types, when another one would be too many; it is read under the lock that every change
    /// of definitions takes. Then follows the revision that was inserted, or else the latest one, which has the same document or is not the
    /// one expected.
    private static let statement = Statement(
        name: "put_definition",
        sql: """
            WITH latest AS (
                SELECT * FROM flowstate.definition WHERE tenant = $1 AND flow_type = $2 ORDER BY revision DESC LIMIT 1),
            crowded AS MATERIALIZED (
                SELECT c.types FROM (
                    SELECT c.types FROM flowstate.definition_change c
                    WHERE c.tenant = $1 AND NOT EXISTS (SELECT FROM latest) FOR UPDATE) c
                WHERE c.types >= $6),
            made AS (
                INSERT INTO flowstate.definition (tenant, flow_type, revision, document, actor, created_at)
                SELECT $1, $2, coalesce((SELECT revision FROM latest), 0) + 1, $3, $4, statement_timestamp()
                WHERE ($5 IS NULL OR $5 = coalesce((SELECT revision FROM latest), 0))
                    AND NOT EXISTS (SELECT FROM latest WHERE document = $3) AND NOT EXISTS (SELECT FROM crowded)
                RETURNING *)
            SELECT (SELECT revision FROM latest), (SELECT types FROM crowded), \(DefinitionRow.columns)
            FROM (SELECT) one LEFT JOIN (SELECT * FROM made UNION ALL SELECT * FROM latest) d ON true ORDER BY d.revision DESC LIMIT 1
            """,
        parameterTypes: [.text, .text, .bytea, .text, .int8, .int8])
}
