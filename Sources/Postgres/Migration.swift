import Logging

/// One step of a schema's history. Once released, its SQL must not change.
package struct Migration: Sendable {
    /// 1, 2, 3, …
    package let number: Int
    package let name: String
    /// Statements separated by semicolons; run in one transaction, with the schema first in `search_path`.
    package let sql: String

    package init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }
}

/// A migration that a database has on record.
struct AppliedMigration: Equatable {
    let number: Int
    let name: String
    let checksum: String
}

/// Which migrations a database still needs. Pure.
enum MigrationPlan {
    /// - Parameter checksums: The checksums of `migrations`, in order.
    static func pending(
        _ migrations: [Migration], checksums: [String], applied: [AppliedMigration], schema: String
    ) throws(PostgresError) -> ArraySlice<Migration> {
        for (index, migration) in migrations.enumerated() where migration.number != index + 1 {
            throw .incompatible("migration \(migration.number) \"\(migration.name)\" is at position \(index + 1)")
        }
        if let newest = applied.last, newest.number > migrations.count {
            throw .incompatible(
                "schema \"\(schema)\" is at migration \(newest.number) \"\(newest.name)\" of a newer release; this one knows \(migrations.count). "
                    + "Start the newer release, or restore a backup made before it")
        }
        for (index, record) in applied.enumerated() {
            guard record.number == index + 1 else {
                throw .incompatible("schema \"\(schema)\" has no record of migration \(index + 1), but of \(record.number)")
            }
            guard record.checksum == checksums[index] else {
                throw .incompatible(
                    "migration \(record.number) \"\(record.name)\" of schema \"\(schema)\" was applied with other SQL than this release's; "
                        + "a released migration must not change")
            }
        }
        return migrations[applied.count...]
    }
}
