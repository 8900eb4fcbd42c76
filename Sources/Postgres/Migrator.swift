import Logging

/// Brings a schema up to date. Several servers may start at once: an advisory lock lets one of them apply what is missing.
///
/// The lock belongs to a session, so it needs a direct connection to PostgreSQL, not a pooler in transaction mode.
public enum Migrator {
    /// Applies the migrations that the database does not have on record, each in its own transaction together with its record in
    /// `<schema>.schema_migration`.
    ///
    /// - Returns: The numbers of the migrations applied now.
    /// - Throws: `unavailable` when the database is not there (try again), `incompatible` when it was migrated by a newer release or an
    ///   applied migration has changed since, `server` when a migration fails (it is undone), `cancelled` when the task is.
    @discardableResult
    public static func run(
        _ migrations: [Migration], conninfo: String, schema: String = "flowstate", logger: Logger
    ) async throws(PostgresError) -> [Int] {
        var options = try ConnectionOptions(conninfo: conninfo)
        options.setDefault("application_name", "flowstate-migrate")
        options.set("client_encoding", "UTF8")
        // A migration takes as long as it takes.
        options.addServerSetting("statement_timeout", "0")
        return try await Blocking.run(name: "pg-migrate") { [options] (interruption) throws(PostgresError) in
            let connection = try DirectConnection(options, interruption: interruption, logger: logger)
            return try apply(migrations, schema: schema, on: connection, logger: logger)
        }
    }

    private static func apply(
        _ migrations: [Migration], schema: String, on connection: borrowing DirectConnection, logger: Logger
    ) throws(PostgresError) -> [Int] {
        // Let go when the connection closes, also when this process dies.
        _ = try connection.query("SELECT pg_advisory_lock(hashtextextended('flowstate schema_migration ' || $1, 0))", [schema])
        let name = quoted(schema)
        try connection.execute(
            """
            SET client_min_messages = warning;
            CREATE SCHEMA IF NOT EXISTS \(name);
            CREATE TABLE IF NOT EXISTS \(name).schema_migration (
              number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
              applied_at timestamptz NOT NULL DEFAULT now());
            """)
        let applied = try connection.query("SELECT number, name, checksum FROM \(name).schema_migration ORDER BY number")
            .map { AppliedMigration(number: Int($0[0]) ?? 0, name: $0[1], checksum: $0[2]) }
        var checksums: [String] = []
        for migration in migrations {
            let rows = try connection.query("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')", [migration.sql])
            checksums.append(rows.first?.first ?? "")
        }
        let pending = try MigrationPlan.pending(migrations, checksums: checksums, applied: applied, schema: schema)
        for migration in pending {
            logger.info("applying migration \(migration.number) \"\(migration.name)\" to schema \"\(schema)\"")
            try connection.execute("BEGIN; SET LOCAL search_path TO \(name), public")
            try connection.execute(migration.sql)
            _ = try connection.query(
                "INSERT INTO \(name).schema_migration (number, name, checksum) VALUES ($1::integer, $2, $3)",
                ["\(migration.number)", migration.name, checksums[migration.number - 1]])
            try connection.execute("COMMIT")
        }
        return pending.map(\.number)
    }

    /// An identifier for SQL text.
    private static func quoted(_ identifier: String) -> String { "\"\(identifier.replacing("\"", with: "\"\""))\"" }
}
