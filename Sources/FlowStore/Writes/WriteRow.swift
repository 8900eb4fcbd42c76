import FlowModel
import Postgres

/// The columns of a stored write, in the order in which `WriteRow.write` reads them.
enum WriteRow {
    static let columns =
        "w.version_label, w.path, w.task_id, w.write_index, w.channel, w.type, w.value, w.actor, w.created_at"
    static let columnCount = 9
    /// The order of lists. All of these columns compare by bytes.
    static let order = "w.version_label, w.path, w.task_id, w.write_index"
    static let size = PageSQL.octets("w.version_label", "w.path", "w.task_id", "w.channel", "w.type", "w.value", "w.actor")

    /// The most bytes that a write may take.
    static func largestBytes(_ limits: Limits) -> Int {
        limits.stateBytes + limits.writePathBytes + 5 * limits.idBytes + PageSQL.rowBytes
    }

    /// - Returns: nil when the label's column is NULL: an outer join found no write.
    static func write(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> StoredWrite? {
        guard let label = try rows.textIfPresent(row, 0) else { return nil }
        return StoredWrite(
            write: PendingWrite(
                taskID: try rows.text(row, 2), index: try rows.int32(row, 3), channel: try rows.text(row, 4), type: try rows.text(row, 5),
                value: try rows.bytes(row, 6), path: try rows.text(row, 1)),
            versionLabel: label, actor: try rows.text(row, 7), createdAt: Timestamp(microseconds: try rows.timestamp(row, 8)))
    }

    // MARK: The head

    /// The head of the flow (`$1`, `$2`), if there is one, and whether its lease allows a change. Where there is no head that could be locked,
    /// its name is: transactions that store the same writes of it come one after the other, in the order of the flows' shards as ever.
    static func head(leaseToken: String) -> String {
        """
        head AS MATERIALIZED (
            SELECT f.deleted_at IS NOT NULL AS deleted, \(LeaseSQL.allows(leaseToken)) AS allowed, f.lease_token,
                CASE WHEN \(LeaseSQL.isHeld) THEN f.lease_holder END AS lease_holder
            FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2
            UNION ALL
            SELECT NULL, \(leaseToken) IS NULL, NULL, pg_advisory_xact_lock(hashtextextended($2, hashtextextended($1, 0)))::text
            WHERE NOT EXISTS (SELECT FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2))
        """
    }

    static let headColumns = "f.deleted, f.allowed, f.lease_token, f.lease_holder"

    /// Why the flow's writes may not be changed.
    ///
    /// - Parameter mayBeDeleted: whether those of a deleted flow may.
    static func refusal(
        _ rows: ResultRows, flowID: String, leaseToken: Int64?, mayBeDeleted: Bool = false
    ) throws(PostgresError) -> StateError? {
        let isDeleted = try rows.boolIfPresent(0, 0)
        if isDeleted == true, !mayBeDeleted { return .flowNotFound(flowID: flowID, deleted: true) }
        if try rows.bool(0, 1) { return nil }
        if isDeleted == nil { return .flowNotFound(flowID: flowID, deleted: false) }
        return .leaseLost(flowID: flowID, holder: try rows.textIfPresent(0, 3) ?? "", token: try rows.int64IfPresent(0, 2) ?? 0)
    }

    // MARK: Storing

    /// Arrays with an element a write, as `append` has them.
    static let insertedTypes: [OID] = [.textArray, .textArray, .int4Array, .textArray, .textArray, .byteaArray]

    static func append(_ writes: [PendingWrite], to parameters: inout Parameters) {
        parameters.append(texts: writes.count) { writes[$0].path }
        parameters.append(texts: writes.count) { writes[$0].taskID }
        parameters.append(integers: writes.count) { writes[$0].index }
        parameters.append(texts: writes.count) { writes[$0].channel }
        parameters.append(texts: writes.count) { writes[$0].type }
        parameters.append(byteStrings: writes.count) { writes[$0].value }
    }

    /// Stores writes of the flow (`$1`, `$2`): of a task and an index that is there already the first one stays, or with a negative index
    /// its channel, type and value are replaced. The writes of one statement must have different tasks or indexes, and be in their order
    /// (`merged`): transactions that store the same ones lock the rows in one order.
    ///
    /// - Parameters:
    ///   - first: the parameter with the first of the arrays.
    ///   - source: what comes behind FROM, if it has a row; else nothing is stored.
    static func insertion(first: Int, label: String, actor: String, time: String, isEarly: String, from source: String) -> String {
        let arrays = (0..<insertedTypes.count).map { "$\(first + $0)" }.joined(separator: ", ")
        return """
            INSERT INTO flowstate.flow_write AS w (tenant, flow_id, version_label, path, task_id, write_index, channel, type, value,
                actor, created_at, is_early)
            SELECT $1, $2, \(label), u.path, u.task_id, u.write_index, u.channel, u.type, u.value, \(actor), \(time), \(isEarly)
            FROM \(source) CROSS JOIN unnest(\(arrays)) u(path, task_id, write_index, channel, type, value)
            ON CONFLICT (tenant, flow_id, version_label, task_id, write_index) DO UPDATE
                SET channel = EXCLUDED.channel, type = EXCLUDED.type, value = EXCLUDED.value, actor = EXCLUDED.actor,
                    created_at = EXCLUDED.created_at
                WHERE w.write_index < 0
            """
    }
}
