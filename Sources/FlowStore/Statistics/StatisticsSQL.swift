import FlowModel
import Postgres

/// The statements of `StatisticsOperation`. `$1` is the tenant, `$2` a type or NULL, `$3` the beginning of the window. They are planned for
/// their parameters (`StoreSchema.backgroundSettings`).
enum StatisticsSQL {
    /// Sizes without counting; only whether the tenant has few flows, and few checkpoints, is counted (up to `$2`).
    static let sizes = Statement(
        name: "statistics_sizes",
        sql: """
            SELECT statement_timestamp(), \(rows("flow")), \(rows("checkpoint")),
                pg_relation_size('flowstate.flow_version') / current_setting('block_size')::bigint,
                \(rowsOfTenant("flow")), \(rowsOfTenant("checkpoint"))
            """,
        parameterTypes: [.text, .int8])

    /// -1: never analysed, so it is small.
    private static func rows(_ table: String) -> String {
        "(SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'flowstate.\(table)'::regclass)"
    }

    private static func rowsOfTenant(_ table: String) -> String {
        "(SELECT count(*) FROM (SELECT FROM flowstate.\(table) WHERE tenant = $1 LIMIT $2 + 1) r)"
    }

    /// Heads by type, phase and status; first a row of all together, which has no names. `$4`: the percentage of the pages to read.
    static func heads(isSampled: Bool) -> Statement {
        Statement(
            name: "statistics_heads" + suffix(isSampled),
            sql: """
                WITH heads AS MATERIALIZED (
                    SELECT f.flow_type, f.phase, f.status,
                        count(*) FILTER (WHERE f.deleted_at IS NULL) AS flows,
                        count(*) FILTER (WHERE f.deleted_at IS NOT NULL) AS deleted,
                        count(*) FILTER (WHERE f.created_at >= $3) AS created,
                        sum(f.version) AS versions,
                        coalesce(sum(f.version) FILTER (WHERE f.updated_at >= $3), 0) AS active_versions,
                        bool_or(f.base_floor > 0) AS are_pruned
                    FROM flowstate.flow f\(sample(isSampled, "$4")) WHERE \(isOfTenantAndType) GROUP BY 1, 2, 3)
                SELECT NULL, NULL, NULL, \(sum("flows")), \(sum("deleted")), \(sum("created")), \(sum("versions")),
                    \(sum("active_versions")), coalesce(bool_or(are_pruned), false) FROM heads
                UNION ALL
                (SELECT flow_type, phase, status, flows, deleted, created, versions::bigint, active_versions::bigint, are_pruned
                    FROM heads ORDER BY flows DESC, 1, 2, 3 LIMIT \(maximumGroups))
                """,
            parameterTypes: [.text, .text, .timestamptz] + (isSampled ? [.float8] : []))
    }

    /// `$3`: the percentage of the pages to read.
    static func checkpoints(isTyped: Bool, isSampled: Bool) -> Statement {
        let join = "JOIN flowstate.flow f ON f.tenant = c.tenant AND f.flow_id = c.flow_id AND f.flow_type = $2"
        return Statement(
            name: "statistics_checkpoints" + suffix(isSampled, isTyped),
            sql: """
                SELECT count(*) FROM flowstate.checkpoint c\(sample(isSampled, "$3")) \(isTyped ? join : "") WHERE c.tenant = $1
                """,
            parameterTypes: [.text, .text] + (isSampled ? [.float8] : []))
    }

    /// Sizes of versions; that of a large state is known without reading it. `$3`: the percentage of the pages to read.
    static func storage(isTyped: Bool, isSampled: Bool) -> Statement {
        let join = "JOIN flowstate.flow f ON f.tenant = v.tenant AND f.flow_id = v.flow_id AND f.flow_type = $2"
        return Statement(
            name: "statistics_storage" + suffix(isSampled, isTyped),
            sql: """
                SELECT count(*), \(sum("v.size")), \(sum(VersionRow.storedBytes("v")))
                FROM flowstate.flow_version v\(sample(isSampled, "$3")) \(isTyped ? join : "") WHERE v.tenant = $1
                """,
            parameterTypes: [.text, .text] + (isSampled ? [.float8] : []))
    }

    static let ruleFailures = Statement(
        name: "statistics_rule_failures",
        sql: """
            SELECT flow_type, rule, \(sum("refused")), \(sum("warned")) FROM flowstate.validation_count
            WHERE tenant = $1 AND ($2::text IS NULL OR flow_type = $2) AND hour >= \(ValidationCountSQL.hour(of: "$3"))
            GROUP BY 1, 2 ORDER BY sum(refused) + sum(warned) DESC, 1, 2 LIMIT 1000
            """,
        parameterTypes: [.text, .text, .timestamptz])

    // MARK: Common parts

    /// The most groups in a result. Types are free text: every flow may have its own.
    static let maximumGroups = 10_000

    static let isOfTenantAndType = "f.tenant = $1 AND ($2::text IS NULL OR f.flow_type = $2)"

    /// Always the same pages, so that figures do not jump from one answer to the next.
    static func sample(_ isSampled: Bool, _ percentage: String) -> String {
        isSampled ? " TABLESAMPLE SYSTEM (\(percentage)::real) REPEATABLE (0)" : ""
    }

    static func sum(_ column: String) -> String { "coalesce(sum(\(column)), 0)::bigint" }

    static func suffix(_ isSampled: Bool, _ isTyped: Bool = false) -> String {
        (isTyped ? "_typed" : "") + (isSampled ? "_sampled" : "")
    }
}
