import FlowModel
import JSON
import Postgres
import Testing

@testable import FlowStore

/// What PostgreSQL does for figures: a small tenant among many rows is found by indexes, and no sample reads a whole table.
struct StatisticsPlanTests {
    private static let tenant = "statistics plans"

    /// Once for all tests.
    private static let populated = Task {
        for sql in [
            """
            INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
            SELECT CASE WHEN n <= 50 THEN '\(tenant)' ELSE 'statistics others' END, 'flow ' || n, 1, 'type ' || n % 5, '', 'open', '{}',
                now() - n * interval '1 minute', now() - n * interval '1 minute' FROM generate_series(1, 20000) n
            """,
            """
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, size, created_at, kind, codec, digest, actor, content_type,
                phase, status, state)
            SELECT tenant, flow_id, 1, 1, now(), 1, 0, '', '', '', '', '', 'x' FROM flowstate.flow
                WHERE tenant IN ('\(tenant)', 'statistics others')
            """,
            """
            INSERT INTO flowstate.checkpoint (tenant, flow_id, checkpoint_id, version, description, actor, created_at)
            SELECT tenant, flow_id, flow_id, 1, '', '', now() FROM flowstate.flow WHERE tenant IN ('\(tenant)', 'statistics others')
            """,
            "ANALYZE flowstate.flow", "ANALYZE flowstate.flow_version", "ANALYZE flowstate.checkpoint",
        ] {
            _ = try await StoreCluster.sql(sql, read: { rows throws(PostgresError) in rows.affectedRows })
        }
    }

    private static func plan(of statement: Postgres.Statement, _ arguments: [String]) async throws -> String {
        let types: [OID: String] = [.text: "text", .int8: "int8", .float8: "float8", .timestamptz: "timestamptz"]
        let list = statement.parameterTypes.map { types[$0] ?? "unknown" }.joined(separator: ", ")
        let script = [
            "PREPARE explained (\(list)) AS \(statement.sql)",
            "EXPLAIN (COSTS OFF) EXECUTE explained (\(arguments.joined(separator: ", ")))", "DEALLOCATE explained",
        ].enumerated().map { number, sql in
            (Postgres.Statement(name: "plan \(statement.name) \(number)", sql: sql, parameterTypes: []), Parameters())
        }
        return try await StoreCluster.running().database.background.run(
            StatementList(statements: script, affinity: .exclusive) { results throws(PostgresError) in
                var lines: [String] = []
                for row in 0..<results[1].count { lines.append(try results[1].text(row, 0)) }
                return lines.joined(separator: "\n")
            })
    }

    @Test func smallTenantsAreFoundByIndexes() async throws {
        try await Self.populated.value
        for flowType in ["NULL", "'type 3'"] {
            let (tenant, since, isTyped) = ("'\(Self.tenant)'", "now() - interval '1 hour'", flowType != "NULL")
            let statements = [
                (StatisticsSQL.sizes, [tenant, "200000"]),
                (StatisticsSQL.heads(isSampled: false), [tenant, flowType, since]),
                (StatisticsSQL.checkpoints(isTyped: isTyped, isSampled: false), [tenant, flowType]),
                (StatisticsSQL.storage(isTyped: isTyped, isSampled: false), [tenant, flowType]),
                (StatisticsSQL.activity(isSampled: false), [tenant, flowType, since, "1048576", "10000"]),
            ]
            for (statement, arguments) in statements {
                let plan = try await Self.plan(of: statement, arguments)
                for table in ["flow", "flow_version", "checkpoint"] {
                    #expect(!plan.contains("Seq Scan on \(table) "), "\(statement.name) of \(flowType):\n\(plan)")
                }
            }
        }
    }

    @Test func samplesReadAPartOfTheTable() async throws {
        try await Self.populated.value
        for flowType in ["NULL", "'type 3'"] {
            let (tenant, since, isTyped) = ("'statistics others'", "now() - interval '1 hour'", flowType != "NULL")
            let statements = [
                (StatisticsSQL.heads(isSampled: true), [tenant, flowType, since, "1"], "f"),
                (StatisticsSQL.checkpoints(isTyped: isTyped, isSampled: true), [tenant, flowType, "1"], "c"),
                (StatisticsSQL.storage(isTyped: isTyped, isSampled: true), [tenant, flowType, "1"], "v"),
                (StatisticsSQL.activity(isSampled: true), [tenant, flowType, since, "1048576", "10000", "1"], "f"),
            ]
            for (statement, arguments, alias) in statements {
                let plan = try await Self.plan(of: statement, arguments)
                #expect(plan.contains("Sample Scan on ") && plan.contains(" \(alias)\n"), "\(statement.name) of \(flowType):\n\(plan)")
                #expect(!plan.contains("Seq Scan on flow_version "), "\(statement.name) of \(flowType):\n\(plan)")
            }
        }
    }
}
