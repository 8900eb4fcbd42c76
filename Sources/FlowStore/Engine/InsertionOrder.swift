import FlowModel
import Postgres

/// The order in which PostgreSQL inserted rows (`StoreSchema.orderMigration`): for lists, pages, and what retention calls the newest. Ids
/// come from the clocks of several servers and do not give that order.
enum InsertionOrder {
    /// The position of a row.
    struct Position: Sendable {
        var sequenceNumber: Int64
        /// Microseconds since 1970-01-01 00:00 UTC.
        var createdAt: Int64
        var id: String

        /// Before every row.
        static let newest = Position(sequenceNumber: .max, createdAt: 0, id: "")
    }

    static func columns(_ row: String, id: String) -> String { "\(row).sequence_number, \(row).created_at, \(row).\(id)" }

    static func newestFirst(_ row: String, id: String) -> String {
        "\(row).sequence_number DESC, \(row).created_at DESC, \(row).\(id) DESC"
    }

    /// Whether a row comes after the position in the three parameters from `$first` on, newest first.
    static func isAfter(_ row: String, id: String, first: Int) -> String {
        "(\(columns(row, id: id))) < ($\(first), $\(first + 1), $\(first + 2))"
    }

    /// The types of those three parameters.
    static let types: [OID] = [.int8, .timestamptz, .text]

    /// - Parameter first: the index of the first of `columns`.
    static func position(_ rows: ResultRows, _ row: Int, from first: Int) throws(PostgresError) -> Position {
        Position(
            sequenceNumber: try rows.int64(row, first), createdAt: try rows.timestamp(row, first + 1), id: try rows.text(row, first + 2))
    }
}

extension Parameters {
    mutating func append(_ position: InsertionOrder.Position) {
        append(position.sequenceNumber)
        append(timestamp: position.createdAt)
        append(position.id)
    }
}

extension PageToken {
    /// Where the previous page ended; for the first page, before everything.
    static func position(
        _ token: PageToken?, list: List, fingerprint: Fingerprint
    ) throws(StateError) -> InsertionOrder.Position {
        guard let position = try token?.position(list: list, fingerprint: fingerprint) else { return .newest }
        let parts = position.text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let createdAt = Int64(parts[0]) else { throw .damagedPageToken }
        return InsertionOrder.Position(sequenceNumber: position.number, createdAt: createdAt, id: String(parts[1]))
    }
}

extension Page {
    /// A page of at most `size` rows, from a query for one more.
    ///
    /// - Parameter found: the number of rows including those that were left out for their size.
    init(
        _ rows: [(element: Element, position: InsertionOrder.Position)], found: Int64, size: Int, list: PageToken.List,
        fingerprint: Fingerprint
    ) {
        let shown = rows.prefix(size)
        let elements = shown.map(\.element)
        guard rows.count > size || found > Int64(rows.count), let last = shown.last?.position else {
            self.init(elements: elements, next: nil)
            return
        }
        let position = PageToken.Position(number: last.sequenceNumber, text: "\(last.createdAt) \(last.id)")
        self.init(elements: elements, next: PageToken(list: list, fingerprint: fingerprint, position: position))
    }
}
