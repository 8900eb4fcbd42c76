import Foundation
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
