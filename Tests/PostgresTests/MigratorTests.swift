import Foundation
import Resources
import TestSupport
import Testing

@testable import Postgres

@Suite struct MigratorTests {
    let schema = "m_" + UUID().uuidString.prefix(8).lowercased()
    let migrations = [
        Migration(number: 1, name: "first", sql: "CREATE TABLE a (n bigint); INSERT INTO a VALUES (1)"),
        Migration(number: 2, name: "second", sql: "ALTER TABLE a ADD COLUMN m bigint DEFAULT 2; SELECT pg_sleep(0.1)"),
    ]

    func run(_ migrations: [Migration]) async throws -> [Int] {
        try await Migrator.run(
            migrations, conninfo: try await TestCluster.conninfo(), schema: schema, logger: TestCluster.logger)
    }

    func number(_ sql: String) async throws -> Int64 {
        try await TestCluster.withDatabase({ $0.searchPath = "\(schema), public" }) { database in
            try await database.reader.run(SQL(number: sql))
        }
    }

    @Test func areAppliedOnceInOrder() async throws {
        let first = try await run(Array(migrations.prefix(1)))
        #expect(first == [1])
        let rest = try await run(migrations)
        #expect(rest == [2])
        let none = try await run(migrations)
        #expect(none == [])
        let sum = try await number("SELECT sum(n + m)::int8 FROM a")
        #expect(sum == 3)
        let records = try await number("SELECT count(*) FROM schema_migration")
        #expect(records == 2)
    }

    @Test func oneOfManyServersAppliesThem() async throws {
        let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<6 { group.addTask { try await run(migrations) } }
            return try await group.reduce(into: [[Int]]()) { $0.append($1) }
        }
        #expect(applied.flatMap { $0 }.sorted() == [1, 2])
        let rows = try await number("SELECT count(*) FROM a")
        #expect(rows == 1)
    }

    @Test func aFailedMigrationIsUndone() async throws {
        _ = try await run(Array(migrations.prefix(1)))
        let broken = [migrations[0], Migration(number: 2, name: "broken", sql: "INSERT INTO a VALUES (5); SELECT 1/0")]
        let error = await failure { try await run(broken) }
        #expect(error?.sqlState?.rawValue == "22012")
        let rows = try await number("SELECT count(*) FROM a")
        #expect(rows == 1)
        let applied = try await run(migrations)
        #expect(applied == [2])
    }

    @Test(.timeLimit(.minutes(2))) func aMigrationThatDeadlocksRunsAgain() async throws {
        // What a sequence has given out is not rolled back.
        let first = Migration(number: 1, name: "first", sql: "CREATE SEQUENCE tries; CREATE TABLE a (n bigint)")
        let second = Migration(
            number: 2, name: "deadlocks once",
            sql: """
                INSERT INTO a VALUES (1);
                DO $$ BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'as PostgreSQL ends one' USING ERRCODE = '40P01'; END IF; END $$
                """)
        _ = try await run([first])
        #expect(try await run([first, second]) == [2])
        let rows = try await number("SELECT count(*) FROM a")
        #expect(rows == 1)
    }

    @Test func aNewerOrChangedSchemaIsRefused() async throws {
        _ = try await run(migrations)
        let older = await failure { try await run(Array(migrations.prefix(1))) }
        guard case .incompatible(let message) = older else {
            Issue.record("\(String(describing: older))")
            return
        }
        #expect(message.contains("migration 2 \"second\" of a newer release"))
        let changed = await failure { try await run([migrations[0], Migration(number: 2, name: "second", sql: "SELECT 1")]) }
        guard case .incompatible = changed else {
            Issue.record("\(String(describing: changed))")
            return
        }
    }

    @Test func aMissingDatabaseIsUnavailable() async throws {
        let error = await failure {
            try await Migrator.run(
                migrations, conninfo: "host=/tmp/no-such-directory password=hunter2 user=u", logger: TestCluster.logger)
        }
        guard case .unavailable(let message, outcomeUnknown: false) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message.contains("/tmp/no-such-directory") && !message.contains("hunter2"))
    }

    /// A session that holds what `sql` takes, until it is cancelled.
    func holding(_ sql: String) async throws -> Task<Void, any Error> {
        let options = try ConnectionOptions(conninfo: try await TestCluster.conninfo() + " application_name=reader")
        let (begun, continuation) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            try await Blocking.run(name: "pg-holder") { (interruption) throws(PostgresError) in
                let connection = try DirectConnection(options, interruption: interruption, logger: TestCluster.logger)
                try connection.execute(sql)
                continuation.yield()
                while !interruption.isInterrupted { _ = interruption.wakeup.wait(until: .now + .seconds(60)) }
            }
        }
        for await _ in begun { break }
        return task
    }

    /// A long reader (pg_dump): the migration asks for its lock again and again instead of standing in front of all others, and says for what.
    @Test(.timeLimit(.minutes(2))) func aMigrationWaitsForALongReaderWithoutHoldingUpOthers() async throws {
        _ = try await run(Array(migrations.prefix(1)))
        let reader = try await holding("BEGIN; SELECT count(*) FROM \(schema).a")
        let (told, continuation) = AsyncStream.makeStream(of: String.self)
        let conninfo = try await TestCluster.conninfo()
        async let applied = Migrator.run(migrations, conninfo: conninfo, schema: schema, logger: TestCluster.logger) {
            continuation.yield($0)
        }
        for await reason in told {
            #expect(reason.contains("migration 2 waits for a lock") && reason.contains("reader, process"), "\(reason)")
            break
        }
        let count = try await number("SELECT count(*) FROM a")
        #expect(count == 1, "others read meanwhile")
        reader.cancel()
        _ = await reader.result
        let numbers = try await applied
        #expect(numbers == [2])
    }

    @Test(.timeLimit(.minutes(2))) func aServerThatWaitsForAnotherSaysSo() async throws {
        let other = try await holding("SELECT pg_advisory_lock(hashtextextended('flowstate schema_migration \(schema)', 0))")
        let (told, continuation) = AsyncStream.makeStream(of: String.self)
        let conninfo = try await TestCluster.conninfo()
        async let applied = Migrator.run(migrations, conninfo: conninfo, schema: schema, logger: TestCluster.logger) {
            continuation.yield($0)
        }
        for await reason in told {
            #expect(reason.contains("waiting for reader, process"), "\(reason)")
            break
        }
        other.cancel()
        _ = await other.result
        let numbers = try await applied
        #expect(numbers == [1, 2])
    }

    /// Where nothing is missing nothing is written: a user who may only read will do.
    @Test func anUpToDateSchemaIsOnlyRead() async throws {
        _ = try await run(migrations)
        let conninfo = try await TestCluster.conninfo()
        let role = "r_\(schema)"
        let setup = try await holding(
            "CREATE ROLE \(role) LOGIN; GRANT USAGE ON SCHEMA \(schema) TO \(role); GRANT SELECT ON \(schema).schema_migration TO \(role)")
        setup.cancel()
        _ = await setup.result
        let applied = try await Migrator.run(
            migrations, conninfo: conninfo.replacing("user=flowstate", with: "user=\(role)"), schema: schema, logger: TestCluster.logger)
        #expect(applied == [])
    }

    @Test func cancellationEndsAMigration() async throws {
        let schema = schema
        let task = Task { try await run([Migration(number: 1, name: "slow", sql: "SELECT pg_sleep(600) /* \(schema) */")]) }
        let began = try await eventually {
            try await number(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600) /* \(schema)%' AND pid <> pg_backend_pid()"
            ) == 1
        }
        #expect(began)
        task.cancel()
        let error = await failure { try await task.value }
        #expect(error == .cancelled)
    }
}
