import Logging
import Resources

/// Brings a schema up to date. Several servers may start at once: an advisory lock lets one of them apply what is missing.
///
/// The lock belongs to a session, so it needs a direct connection to PostgreSQL, or a pooler in session mode.
package enum Migrator {
    /// How long a migration waits for a lock. All later statements on the same table wait as long.
    private static let lockTimeout = Duration.seconds(1)
    /// From one attempt to take a lock to the next.
    private static let firstPause = Duration.milliseconds(500)
    private static let longestPause = Duration.seconds(5)

    /// Applies the migrations that the database has no record of, each in a transaction of its own together with its record in
    /// `<schema>.schema_migration`. If none is missing, nothing is written.
    ///
    /// - Parameter waiting: Called while it waits for locks of other sessions, with a message for the operator.
    /// - Returns: The numbers of the migrations applied now.
    /// - Throws: `unavailable` when the database cannot be reached or takes no writes (try again), `incompatible` when it was migrated by a
    ///   newer release or an applied migration has changed since, `server` when a migration fails (it is rolled back), `cancelled` when the
    ///   task is cancelled.
    @discardableResult
    package static func run(
        _ migrations: [Migration], conninfo: String, schema: String = "flowstate", logger: Logger,
        waiting: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(PostgresError) -> [Int] {
        var options = try ConnectionOptions(conninfo: conninfo)
        options.setDefault("application_name", "flowstate-migrate")
        options.prepareTransport()
        options.settings.useTransport()
        // A migration may take any time.
        options.settings.require("statement_timeout", "0")
        options.settings.require("lock_timeout", "\(lockTimeout.milliseconds)")
        options.settings.require("idle_in_transaction_session_timeout", "60000")
        let told = { @Sendable (message: String) in
            logger.warning("\(message)")
            waiting(message)
        }
        return try await Blocking.run(name: "pg-migrate") { [options] (interruption) throws(PostgresError) in
            let connection = try DirectConnection(options, interruption: interruption, logger: logger)
            let run = Run(migrations: migrations, schema: schema, logger: logger, waiting: told, interruption: interruption)
            do throws(PostgresError) {
                return try run.apply(on: connection)
            } catch {
                throw error.isServerUnavailable ? error.asUnavailable : error
            }
        }
    }

    private struct Run {
        let migrations: [Migration]
        let schema: String
        let logger: Logger
        let waiting: (String) -> Void
        let interruption: Blocking.Interruption

        private var name: String { "\"\(schema.replacing("\"", with: "\"\""))\"" }

        func apply(on connection: borrowing DirectConnection) throws(PostgresError) -> [Int] {
            let checksums = try checksums(on: connection)
            // A schema that is up to date is only read, for instance by a user who may not change it.
            if try pending(checksums, on: connection).isEmpty { return [] }
            try takeTurn(on: connection)
            // An operator may have created it for a user who may not create schemas.
            let schemas = try connection.query("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", [schema])
            try retrying("the record of migrations", on: connection) { (connection) throws(PostgresError) in
                try connection.execute(
                    """
                    \(schemas.isEmpty ? "CREATE SCHEMA IF NOT EXISTS \(name);" : "")
                    CREATE TABLE IF NOT EXISTS \(name).schema_migration (
                      number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
                      applied_at timestamptz NOT NULL DEFAULT now());
                    """)
            }
            // Another server may have applied them meanwhile.
            let pending = try pending(checksums, on: connection)
            for migration in pending {
                logger.info("applying migration \(migration.number) \"\(migration.name)\" to schema \"\(schema)\"")
                try retrying("migration \(migration.number)", on: connection) { (connection) throws(PostgresError) in
                    try apply(migration, checksum: checksums[migration.number - 1], on: connection)
                }
            }
            return pending.map(\.number)
        }

        private func apply(
            _ migration: Migration, checksum: String, on connection: borrowing DirectConnection
        ) throws(PostgresError) {
            // Migrations look at what is there once they have their locks.
            try connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path TO \(name), public")
            do throws(PostgresError) {
                try connection.execute(migration.sql)
                _ = try connection.query(
                    "INSERT INTO \(name).schema_migration (number, name, checksum) VALUES ($1::integer, $2, $3)",
                    ["\(migration.number)", migration.name, checksum])
                try connection.execute("COMMIT")
            } catch {
                // The lock was not free: the session continues. After any other error it ends, and the transaction with it.
                if error.isOfLocks { try connection.execute("ROLLBACK") }
                throw error
            }
        }

        private func checksums(on connection: borrowing DirectConnection) throws(PostgresError) -> [String] {
            var checksums: [String] = []
            for migration in migrations {
                let rows = try connection.query("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')", [migration.sql])
                checksums.append(rows.first?.first ?? "")
            }
            return checksums
        }

        private func pending(
            _ checksums: [String], on connection: borrowing DirectConnection
        ) throws(PostgresError) -> ArraySlice<Migration> {
            var applied: [AppliedMigration] = []
            let table = try connection.query(
                "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'schema_migration'", [schema])
            if !table.isEmpty {
                applied = try connection.query("SELECT number, name, checksum FROM \(name).schema_migration ORDER BY number")
                    .map { AppliedMigration(number: Int($0[0]) ?? 0, name: $0[1], checksum: $0[2]) }
            }
            return try MigrationPlan.pending(migrations, checksums: checksums, applied: applied, schema: schema)
        }

        // MARK: Waiting

        /// Waits until no other server migrates. The lock is released when the connection closes, even if this process dies.
        private func takeTurn(on connection: borrowing DirectConnection) throws(PostgresError) {
            try waitUntil(on: connection) { (connection) throws(PostgresError) in
                let key = "hashtextextended('flowstate schema_migration ' || $1, 0)"
                if try connection.query("SELECT pg_try_advisory_lock(\(key))", [schema]).first?.first == "t" { return nil }
                // pg_locks shows an advisory lock's key in halves.
                let holder = try connection.query(
                    """
                    SELECT l.pid, coalesce(nullif(a.application_name, ''), 'a session') FROM pg_catalog.pg_locks l
                    LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
                    WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                      AND (l.classid::bigint << 32) | l.objid::bigint = \(key) LIMIT 1
                    """, [schema])
                let who = holder.first.map { "\($0[1]), process \($0[0])" } ?? "another server"
                return "waiting for \(who), which is migrating schema \"\(schema)\""
            }
        }

        /// Repeats `body` until it gets its locks.
        private func retrying(
            _ what: String, on connection: borrowing DirectConnection,
            _ body: (borrowing DirectConnection) throws(PostgresError) -> Void
        ) throws(PostgresError) {
            try waitUntil(on: connection) { (connection) throws(PostgresError) in
                do throws(PostgresError) {
                    try body(connection)
                    return nil
                } catch {
                    guard error.isOfLocks else { throw error }
                    return try "\(what) waits for a lock\(holders(on: connection))"
                }
            }
        }

        /// The sessions that have worked longest on tables of the schema.
        private func holders(on connection: borrowing DirectConnection) throws(PostgresError) -> String {
            let rows = try connection.query(
                """
                SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), 'a session'), a.xact_start
                FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_stat_activity a USING (pid)
                WHERE n.nspname = $1 AND l.granted AND l.pid <> pg_backend_pid()
                ORDER BY a.xact_start NULLS LAST LIMIT 3
                """, [schema])
            return rows.isEmpty ? "" : "; held by " + rows.map { "\($0[1]), process \($0[0])" }.joined(separator: "; ")
        }

        /// Repeats `attempt` with pauses until it returns `nil`. What it returns otherwise says what it waits for, and is passed to
        /// `waiting` at first and then now and then.
        private func waitUntil(
            on connection: borrowing DirectConnection, _ attempt: (borrowing DirectConnection) throws(PostgresError) -> String?
        ) throws(PostgresError) {
            var backoff = Backoff(first: Migrator.firstPause, ceiling: Migrator.longestPause)
            var log = ConditionLog()
            while let reason = try attempt(connection) {
                if log.failed("lock", reason, now: .now) != nil { waiting(reason) }
                let end = Instant.now + backoff.next()
                while Instant.now < end {
                    if interruption.isInterrupted { throw .cancelled }
                    _ = interruption.wakeup.wait(until: end)
                }
            }
        }
    }
}

extension PostgresError {
    /// A lock was not free for long, or never would have been.
    fileprivate var isOfLocks: Bool { sqlState == .lockNotAvailable || sqlState == .deadlockDetected }
}
