import FlowModel
import Postgres

/// The columns of a notification, in the order in which `NotificationRow.record` reads them, and the insertion of one.
enum NotificationRow {
    static let columns = """
        n.tenant, n.notification_id, n.flow_id, n.version, n.level, n.title, n.message, n.created_at, n.acknowledged_at, n.acknowledged_by
        """
    static let columnCount = 10

    /// The most bytes that a notification may take: its texts quote names, and one message.
    static func largestBytes(_ limits: Limits) -> Int { 2 * limits.descriptionBytes + 8 * limits.idBytes + 4 * PageSQL.rowBytes }

    static func record(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> NotificationRecord {
        let number = try rows.int16(row, 4)
        guard let level = NotificationLevel(rawValue: number) else { throw .protocolViolation("notification level \(number)") }
        return NotificationRecord(
            id: try rows.text(row, 1), key: FlowKey(stored: try rows.text(row, 0), flowID: try rows.text(row, 2)),
            version: try rows.int64(row, 3), level: level, title: try rows.text(row, 5), message: try rows.text(row, 6),
            createdAt: Timestamp(microseconds: try rows.timestamp(row, 7)),
            acknowledgedAt: try rows.timestampIfPresent(row, 8).map { Timestamp(microseconds: $0) },
            acknowledgedBy: try rows.textIfPresent(row, 9))
    }

    /// The types of the parameters that `Parameters.append` appends for a request.
    static let insertedTypes: [OID] = [.text, .int2, .text, .text]

    /// Inserts one row for each row of `source`, for the flow `$1`, `$2`.
    ///
    /// - Parameters:
    ///   - first: the number of the request's first parameter.
    ///   - version, time: expressions over `source`.
    static func insertion(first: Int, version: String, time: String, from source: String) -> String {
        """
        INSERT INTO flowstate.notification
            (tenant, flow_id, notification_id, version, level, title, message, created_at, next_attempt_at)
        SELECT $1, $2, $\(first), \(version), $\(first + 1), $\(first + 2), $\(first + 3), \(time), \(time) FROM \(source)
        """
    }
}

extension Parameters {
    mutating func append(_ notification: NotificationRequest) {
        append(notification.id)
        append(notification.level.rawValue)
        append(notification.title)
        append(notification.message)
    }
}
