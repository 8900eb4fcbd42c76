import FlowModel
import Postgres
import Resources

extension StateStore {
    /// Adds the counts of broken rules since the last call to the database. Call it every few seconds, and before the store is released.
    ///
    /// - Parameter deadline: when to give up; nil: as long as the database takes.
    /// - Throws: when the database cannot store the counts. They are kept for the next call then, unless they may have been written: rather
    ///   too few than twice.
    package func flushValidationCounts(deadline: Instant? = nil) async throws(StateError) {
        // In the order of the key, the same on every server: two of them wait for each other instead of deadlocking.
        let taken = resources.validationCounts.take().sorted { $0.key.order.lexicographicallyPrecedes($1.key.order) }
        if taken.isEmpty { return }
        var parameters = Parameters()
        parameters.append(texts: taken.count) { taken[$0].key.names.tenant }
        parameters.append(texts: taken.count) { taken[$0].key.names.flowID }
        parameters.append(texts: taken.count) { taken[$0].key.rule.text }
        parameters.append(bigints: taken.count) { taken[$0].count.refused }
        parameters.append(bigints: taken.count) { taken[$0].count.warned }
        let query = Query<Void>(statement: ValidationCountSQL.add, parameters: parameters) { _ in .success(()) }
        do {
            try await runInBackground(query, deadline: deadline).get()
        } catch {
            if case .databaseUnavailable(_, outcomeUnknown: true, _) = error { throw error }
            resources.validationCounts.putBack(taken)
            throw error
        }
    }

    /// Deletes counts of hours that no window reaches any more.
    package func purgeValidationCounts() async throws(StateError) {
        var parameters = Parameters()
        parameters.append(Double(GetStatisticsCommand.windows.upperBound + 86_400))
        try await runInBackground(Query(statement: ValidationCountSQL.purge, parameters: parameters) { _ in .success(()) }).get()
    }
}

extension ValidationCounts.Key {
    fileprivate var order: [UInt8] { Array(names.tenant.utf8) + [0] + Array(names.flowID.utf8) + [0] + Array(rule.text.utf8) }
}

enum ValidationCountSQL {
    static let add = Statement(
        name: "add_validation_counts",
        sql: """
            INSERT INTO flowstate.validation_count AS c (tenant, hour, flow_type, rule, refused, warned)
                SELECT n.tenant, \(hour(of: "statement_timestamp()")), n.flow_type, n.rule, n.refused, n.warned
                FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY n (tenant, flow_type, rule, refused, warned, number) ORDER BY n.number
            ON CONFLICT (tenant, hour, flow_type, rule)
                DO UPDATE SET refused = c.refused + excluded.refused, warned = c.warned + excluded.warned
            """,
        parameterTypes: [.textArray, .textArray, .textArray, .int8Array, .int8Array])

    /// Skips rows that another server is deleting at the same time, since each may find them in another order.
    static let purge = Statement(
        name: "purge_validation_counts",
        sql: """
            WITH old AS (
                SELECT tenant, hour, flow_type, rule FROM flowstate.validation_count
                WHERE hour < statement_timestamp() - make_interval(secs => $1) FOR UPDATE SKIP LOCKED)
            DELETE FROM flowstate.validation_count c USING old o
            WHERE c.tenant = o.tenant AND c.hour = o.hour AND c.flow_type = o.flow_type AND c.rule = o.rule
            """,
        parameterTypes: [.float8])

    /// The beginning of the hour, whatever the session's time zone.
    static func hour(of time: String) -> String { "date_bin('1 hour', \(time), TIMESTAMPTZ '2000-01-01 00:00:00+00')" }
}
