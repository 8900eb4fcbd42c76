import FlowModel
import Postgres

/// Decodes rows of `definition`.
enum DefinitionRow {
    static let columns = "d.flow_type, d.revision, d.document, d.actor, d.created_at"

    /// - Parameter first: the index of the first of these columns.
    static func record(_ rows: ResultRows, _ row: Int, from first: Int = 0) throws(PostgresError) -> DefinitionRecord {
        DefinitionRecord(
            flowType: try rows.text(row, first), revision: try rows.int64(row, first + 1), document: try rows.bytes(row, first + 2),
            actor: try rows.text(row, first + 3), createdAt: Timestamp(microseconds: try rows.timestamp(row, first + 4)))
    }
}
