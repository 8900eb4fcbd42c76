import Foundation
import Resources
import TestSupport
import Testing

@testable import Postgres

/// What a session is made to be, and what ends it.
@Suite struct SessionTests {
    static func show(_ name: String) -> SQL<String> {
        SQL("SELECT current_setting('\(name)', true)") { (rows) throws(PostgresError) in try rows.textIfPresent(0, 0) ?? "" }
    }

    @Test func sessionsHaveTheirTimeouts() async throws {
        let change = { @Sendable (configuration: inout Database.Configuration) in
            configuration.lockTimeout = .milliseconds(1_700)
            configuration.listStatementTimeout = .seconds(11)
            configuration.settings = ["enable_seqscan": "off"]
        }
        try await TestCluster.withDatabase(change) { database in
            var found: [String] = []
            for name in [
                "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "enable_seqscan", "client_min_messages",
            ] {
                found.append(try await database.writer(shard: 0).run(Self.show(name)))
            }
            #expect(found == ["1700ms", "1min", "30s", "off", "warning"])
            let lists = try await database.lists.run(Self.show("statement_timeout"))
            #expect(lists == "11s")
        }
    }

    @Test func whatTheConnectionStringSetsWins() async throws {
        let conninfo = try await TestCluster.conninfo() + " options='-c lock_timeout=900 --enable-seqscan=on'"
        let change = { @Sendable (configuration: inout Database.Configuration) in
            configuration.conninfo = conninfo
            configuration.settings = ["enable_seqscan": "off"]
        }
        try await TestCluster.withDatabase(change) { database in
            let found = [
                try await database.reader.run(Self.show("lock_timeout")), try await database.reader.run(Self.show("enable_seqscan")),
            ]
            #expect(found == ["900ms", "on"])
        }
    }

    @Test func aSettingThatTheServerDoesNotHaveIsTold() async throws {
        var configuration = Database.Configuration(conninfo: try await TestCluster.conninfo())
        configuration.settings = ["no_such_setting": "1"]
        let database = try Database(configuration: configuration, logger: TestCluster.logger)
        database.start()
        let isTold = await eventually { database.status.reason?.contains("no_such_setting") ?? false }
        #expect(isTold)
        await database.shutdown()
    }

    @Test func operationsAreRefusedWhileTheDatabaseIsPrepared() async throws {
        let database = try Database(configuration: .init(conninfo: try await TestCluster.conninfo()), logger: TestCluster.logger)
        database.prepare(reason: "being prepared")
        let error = await failure { try await database.reader.run(SQL(number: "SELECT 1::int8")) }
        #expect(error == .unavailable(message: "being prepared", outcomeUnknown: false))
        database.start()
        database.prepare(reason: "too late")
        _ = await database.waitUntilAvailable()
        let value = try await database.reader.run(SQL(number: "SELECT 1::int8"))
        #expect(value == 1)
        await database.shutdown()
    }

    @Test func statementsThatAreNotUsedAreForgotten() async throws {
        try await TestCluster.withDatabase { database in
            let group = database.writer(shard: 0)
            for number in 0..<300 { _ = try await group.run(SQL(number: "SELECT \(number)::int8")) }
            let kept = try await group.run(SQL(number: "SELECT count(*) FROM pg_prepared_statements"))
            #expect(kept <= 257 && kept > 200)
            let value = try await group.run(SQL(number: "SELECT 0::int8"))
            #expect(value == 0, "prepared again")
        }
    }

    /// A session that the server reports to be read-only is given up, and made again when it takes writes.
    @Test func aSessionThatTurnedReadOnlyIsGivenUp() async throws {
        try await TestCluster.withCluster { _, conninfo, _ in
            let database = try TestCluster.database(conninfo)
            _ = await database.waitUntilAvailable()
            var options = try ConnectionOptions(conninfo: conninfo + " options='-c default_transaction_read_only=off'")
            options.requiresPrimary = false
            func alter(_ value: String) async throws {
                try await Blocking.run(name: "pg-alter") { [options] (interruption) throws(PostgresError) in
                    let connection = try DirectConnection(options, interruption: interruption, logger: TestCluster.logger)
                    try connection.execute("ALTER SYSTEM SET default_transaction_read_only = \(value)")
                    try connection.execute("SELECT pg_reload_conf()")
                }
            }
            try await alter("on")
            let isDown = await eventually { !database.isAvailable && database.status.reason?.contains("read_only") ?? false }
            #expect(isDown)
            // The first connection that hears of it makes the database unavailable; each is given up when it does.
            let isRefused = await eventually {
                let error = await failure { try await database.writer(shard: 0).run(SQL(number: "SELECT 1::int8")) }
                if case .unavailable(_, outcomeUnknown: false) = error { return true }
                return false
            }
            #expect(isRefused)
            try await alter("off")
            let returned = await database.waitUntilAvailable()
            #expect(returned)
            let written = try await database.writer(shard: 0).run(SQL(command: "CREATE TABLE written (n bigint)"))
            #expect(written == 0)
            await database.shutdown()
        }
    }

    /// 25006 in a batch: it was undone, so its outcome is known, and the session is not used again.
    @Test func aBatchThatMayNotWriteIsUndoneAndItsSessionGivenUp() async throws {
        try await TestCluster.withDatabase { database in
            let group = database.writer(shard: 0)
            let table = try await ConnectionGroupTests.table("n bigint", in: database)
            let before = database.connectionLosses
            let writing = TwoStatements(
                first: "SELECT set_config('transaction_read_only', 'on', true)", second: "INSERT INTO \(table) VALUES (1)")
            let error = await failure { try await group.run(writing) }
            guard case .unavailable(_, outcomeUnknown: false) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(database.connectionLosses > before)
            let again = await eventually { await failure { try await group.run(SQL(command: "INSERT INTO \(table) VALUES (1)")) } == nil }
            #expect(again)
        }
    }

    /// A request to cancel that was meant for another statement.
    @Test func aCancellationThatNoCallerAskedForIsRepeated() async throws {
        try await TestCluster.withDatabase { database in
            let task = Task { try await database.writer(shard: 0).run(SQL(number: "SELECT 5::int8 FROM pg_sleep(15) -- stray")) }
            let cancel = SQL(
                number: """
                    SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                    WHERE state = 'active' AND query LIKE '%-- stray' AND pid <> pg_backend_pid()
                    """)
            let hit = try await eventually { try await database.writer(shard: 1).run(cancel) == 1 }
            #expect(hit)
            let value = try await task.value
            #expect(value == 5)
        }
    }

    @Test func aStatementThatPostgreSQLCancelsForItsTimeIsNotRepeated() async throws {
        try await TestCluster.withDatabase({ $0.statementTimeout = .milliseconds(300) }) { database in
            let start = Instant.now
            let error = await failure { try await database.writer(shard: 0).run(SQL(number: "SELECT 1::int8 FROM pg_sleep(600)")) }
            #expect(error?.sqlState == .queryCanceled)
            #expect(Instant.now - start < .seconds(60), "once")
        }
    }
}
