import FlowModel
import Postgres

extension StateStore {
    /// Removes pending writes that have waited for their version for longer than `Limits.orphanWriteHours` by PostgreSQL's clock, in small
    /// transactions on the background connection. Call it from time to time; two servers may do so at once and share the work.
    ///
    /// - Returns: how many were removed.
    @discardableResult
    package func purgeWrites(batch: Int = 1_000) async throws(StateError) -> Int64 {
        var parameters = Parameters()
        parameters.append(PurgeAge.seconds(hours: limits.orphanWriteHours))
        parameters.append(Int64(batch))
        let query = Query<(seen: Int64, removed: Int64)>(statement: PurgeWritesSQL.purge, parameters: parameters) {
            rows throws(PostgresError) in .success((try rows.int64(0, 0), try rows.int64(0, 1)))
        }
        var total: Int64 = 0
        while !Task.isCancelled {
            let (seen, removed) = try await runInBackground(query).get()
            total += removed
            if seen < Int64(batch) { break }
        }
        return total
    }
}

enum PurgeWritesSQL {
    /// Of the early writes older than `$1` seconds, at most `$2` and oldest first: removes those that have no version, and marks those that
    /// have one by now. Skips rows that another transaction has locked.
    static let purge = Statement(
        name: "purge_writes",
        sql: """
            WITH old AS (
                SELECT w.tenant, w.flow_id, w.version_label, w.task_id, w.write_index FROM flowstate.flow_write w
                WHERE w.is_early AND w.created_at < statement_timestamp() - make_interval(secs => $1)
                ORDER BY w.created_at LIMIT $2 FOR UPDATE SKIP LOCKED),
            judged AS MATERIALIZED (
                SELECT o.*, EXISTS (
                    SELECT FROM flowstate.flow_version v
                    WHERE v.tenant = o.tenant AND v.flow_id = o.flow_id AND v.version_label = o.version_label) AS has_version
                FROM old o),
            attached AS (
                UPDATE flowstate.flow_write w SET is_early = false FROM judged j
                WHERE j.has_version AND w.tenant = j.tenant AND w.flow_id = j.flow_id AND w.version_label = j.version_label
                    AND w.task_id = j.task_id AND w.write_index = j.write_index),
            gone AS (
                DELETE FROM flowstate.flow_write w USING judged j
                WHERE NOT j.has_version AND w.tenant = j.tenant AND w.flow_id = j.flow_id AND w.version_label = j.version_label
                    AND w.task_id = j.task_id AND w.write_index = j.write_index
                RETURNING 1)
            SELECT (SELECT count(*) FROM judged), (SELECT count(*) FROM gone)
            """,
        parameterTypes: [.float8, .int8])
}

/// The age from which on something is removed.
enum PurgeAge {
    /// A hundred years, since PostgreSQL's times are bounded.
    private static let longestHours: Int64 = 876_600

    static func seconds(hours: Int64) -> Double { Double(min(hours, longestHours)) * 3_600 }
}
