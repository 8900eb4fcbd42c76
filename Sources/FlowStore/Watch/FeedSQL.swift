import FlowModel
import Postgres

/// The statements that read what was committed since a position (`FeedPosition`).
enum FeedSQL {
    /// What a snapshot shows now: the snapshot, its time, and the newest id.
    static let position = Statement(name: "feed_position", sql: "SELECT \(moment) \(snapshot)", parameterTypes: [])
    static let momentColumnCount = 3

    private static let moment = "s.snapshot::text, s.time, s.newest::text::bigint"
    private static let snapshot = """
        FROM (SELECT pg_catalog.pg_current_snapshot() AS snapshot, statement_timestamp() AS time,
            (SELECT max(v.transaction_id) FROM flowstate.flow_version v) AS newest OFFSET 0) s
        """

    private static let columns = "v.transaction_id::text::bigint, v.tenant, v.flow_id, \(FlowRow.headColumns), \(VersionRow.loadedColumns)"
    private static let join = "JOIN flowstate.flow f ON f.tenant = v.tenant AND f.flow_id = v.flow_id"

    /// Bytes of a change, as `FlowChange` has it.
    private static let size = PageSQL.octets("v.metadata") + " + 300"

    /// `$1` next id, `$2` ids that were running; `$3` tenants of which all flows are wanted, `$4` flows that are wanted of any tenant;
    /// `$5` rows, `$6` bytes; `$7` the id before which, and `$8` the ids without which. At least one row.
    ///
    /// A window has all versions of a transaction or none. If it is cut, the last columns say so: `is_cut`.
    static let window: Statement = {
        let wanted = """
            (v.tenant = ANY ($3) OR v.flow_id = ANY ($4)) AND v.removed_at IS NULL
                AND ($7 IS NULL OR v.transaction_id < $7) AND v.transaction_id <> ALL ($8::xid8[])
            """
        let keys = "v.tenant, v.flow_id, v.version, v.transaction_id"
        return Statement(
            name: "feed_window",
            sql: """
                WITH found AS MATERIALIZED (
                    SELECT \(keys), \(size) AS size FROM flowstate.flow_version v WHERE v.transaction_id >= $1 AND \(wanted)
                    ORDER BY v.transaction_id FETCH FIRST ($5) ROWS WITH TIES),
                measured AS MATERIALIZED (
                    SELECT v.*, sum(v.size) OVER (ORDER BY v.transaction_id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
                    FROM found v),
                keys AS (
                    SELECT \(keys) FROM measured v WHERE v.before IS NULL OR v.before < $6
                    UNION ALL
                    SELECT \(keys) FROM flowstate.flow_version v WHERE v.transaction_id = ANY ($2::xid8[]) AND \(wanted))
                SELECT \(moment), (SELECT count(*) >= $5 OR coalesce(max(m.before) >= $6, false) FROM measured m), c.* \(snapshot)
                LEFT JOIN LATERAL (
                    SELECT \(columns) FROM keys k JOIN flowstate.flow_version v
                        ON v.tenant = k.tenant AND v.flow_id = k.flow_id AND v.version = k.version \(join)) c ON true
                """,
            parameterTypes: [.xid8, .textArray, .textArray, .textArray, .int8, .int8, .xid8, .textArray])
    }()

    /// Of each flow (`$1` tenant, `$2` flow id, `$3` version) the versions before that one which come after the window in the order of
    /// their ids, `$4`: a transaction that waits for another one's lock may have a lower id.
    static let predecessors = Statement(
        name: "feed_predecessors",
        sql: """
            WITH RECURSIVE line AS (
                SELECT v.tenant, v.flow_id, v.version FROM unnest($1, $2, $3) k(tenant, flow_id, version)
                CROSS JOIN LATERAL (\(before("k"))) v
                UNION ALL
                SELECT v.tenant, v.flow_id, v.version FROM line k CROSS JOIN LATERAL (\(before("k"))) v)
            SELECT \(columns) FROM line k JOIN flowstate.flow_version v
                ON v.tenant = k.tenant AND v.flow_id = k.flow_id AND v.version = k.version \(join) WHERE v.removed_at IS NULL
            """,
        parameterTypes: [.textArray, .textArray, .int8Array, .xid8])

    private static func before(_ flow: String) -> String {
        """
        SELECT v.* FROM flowstate.flow_version v WHERE v.tenant = \(flow).tenant AND v.flow_id = \(flow).flow_id
            AND v.version = \(flow).version - 1 AND v.transaction_id > $4 OFFSET 0
        """
    }

    /// Versions of one flow (`$1`, `$2`) after `$3`, in their order, `$4` at most.
    static let versions = Statement(
        name: "feed_versions",
        sql: """
            SELECT \(columns) FROM (
                SELECT * FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version > $3 AND v.removed_at IS NULL
                ORDER BY v.version LIMIT $4) v \(join) ORDER BY v.version
            """, parameterTypes: [.text, .text, .int8, .int8])

    /// The id of a version of the tenant `$1` that is at most a moment newer than the time `$2`.
    static let firstSince = Statement(
        name: "feed_first_since",
        sql: """
            SELECT (SELECT v.transaction_id::text::bigint FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.created_at > '-infinity' AND v.created_at >= $2 AND v.transaction_id IS NOT NULL
                ORDER BY v.created_at LIMIT 1)
            """, parameterTypes: [.text, .timestamptz])

    static let renew = Statement(name: "feed_renew", sql: "SELECT flowstate.renew_transaction_ids()", parameterTypes: [])

    /// The columns of a change, from `first` on.
    static func change(_ rows: ResultRows, _ row: Int, from first: Int) throws(PostgresError) -> FlowChange? {
        guard !(try rows.isNull(row, first + 1)) else { return nil }
        let key = FlowKey(stored: try rows.text(row, first + 1), flowID: try rows.text(row, first + 2))
        let versionColumn = first + 3 + FlowRow.headColumnCount
        guard let version = try VersionRow.record(rows, row, from: versionColumn) else { return nil }
        return FlowChange(
            transaction: try rows.int64IfPresent(row, first) ?? 0, head: try FlowRow.head(rows, row, from: first + 3, key: key),
            version: version)
    }
}
