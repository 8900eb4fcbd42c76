import TestSupport
import Testing

@testable import Postgres

/// Two statements, in order.
struct TwoStatements: SingleOperation {
    typealias Outcome = Int

    let first: String
    let second: String
    var cost: Int { 100 }

    func enqueue(into pipeline: inout Pipeline) {
        for sql in [first, second] {
            pipeline.execute(Statement(name: "two\(sql.hashValue)", sql: sql, parameterTypes: []), Parameters())
        }
    }
    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<TwoStatements> { .finished(results.count) }
}

/// What PostgreSQL undoes or forgets, and what runs again by itself.
@Suite struct ConflictTests {
    /// A function that fails with `state` until it was called `times` times; sequences are not undone with a transaction.
    static func flaky(_ state: String, times: Int, in database: Database) async throws -> String {
        let name = try await ConnectionGroupTests.table("number bigint", in: database)
        let group = database.writer(shard: 0)
        _ = try await group.run(SQL(command: "CREATE SEQUENCE \(name)_s"))
        _ = try await group.run(
            SQL(
                command: """
                    CREATE FUNCTION \(name)_f() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
                      IF nextval('\(name)_s') <= \(times) THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '\(state)'; END IF;
                      RETURN currval('\(name)_s'); END $$
                    """))
        return "\(name)_f()"
    }

    @Test(arguments: ["40001", "40P01", "23505"]) func conflictsAreRepeated(_ state: String) async throws {
        try await TestCluster.withDatabase { database in
            let function = try await Self.flaky(state, times: 4, in: database)
            let calls = try await database.writer(shard: 0).run(SQL(number: "SELECT \(function)"))
            #expect(calls == 5)
            let hopeless = try await Self.flaky(state, times: 5, in: database)
            let error = await failure { try await database.writer(shard: 0).run(SQL(number: "SELECT \(hopeless)")) }
            #expect(error?.sqlState?.rawValue == state)
        }
    }

    @Test func aDeadlockIsResolved() async throws {
        try await TestCluster.withDatabase { database in
            let table = try await ConnectionGroupTests.table("id bigint PRIMARY KEY, hits bigint DEFAULT 0", in: database)
            _ = try await database.writer(shard: 0).run(SQL(command: "INSERT INTO \(table) (id) VALUES (1), (2)"))
            let update = { @Sendable (id: Int) in
                "WITH slow AS (SELECT pg_sleep(0.3)) UPDATE \(table) SET hits = hits + 1 FROM slow WHERE id = \(id)"
            }
            async let one = database.writer(shard: 0).run(TwoStatements(first: update(1), second: update(2)))
            async let two = database.writer(shard: 1).run(TwoStatements(first: update(2), second: update(1)))
            let counts = try await [one, two]
            #expect(counts == [2, 2])
            let hits = try await database.reader.run(SQL(number: "SELECT sum(hits)::int8 FROM \(table)"))
            #expect(hits == 4)
        }
    }

    @Test func statementsThatTheServerForgotArePreparedAgain() async throws {
        try await TestCluster.withDatabase { database in
            let group = database.writer(shard: 0)
            let operation = SQL(number: "SELECT 5::int8")
            _ = try await group.run(operation)
            _ = try await group.run(SQL(command: "DEALLOCATE ALL"))
            let value = try await group.run(operation)
            #expect(value == 5)
        }
    }

    @Test func statementsArePlannedAnewAfterAMigration() async throws {
        try await TestCluster.withDatabase { database in
            let table = try await ConnectionGroupTests.table("a bigint", in: database)
            let operation = SQL("SELECT * FROM \(table)") { $0.columnCount }
            let before = try await database.writer(shard: 0).run(operation)
            _ = try await database.writer(shard: 1).run(SQL(command: "ALTER TABLE \(table) ADD COLUMN b text"))
            let after = try await database.writer(shard: 0).run(operation)
            #expect([before, after] == [1, 2])
        }
    }
}
