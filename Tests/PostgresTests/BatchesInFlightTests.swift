import TestSupport
import Testing

@testable import Postgres

/// A batch is sent as soon as the one before it is answered for good: its commit is confirmed while the next one runs.
@Suite struct BatchesInFlightTests {
    /// An insert that never takes another round trip.
    private struct Insert: SingleOperation {
        typealias Outcome = Int64
        typealias Layout = [Range<Int>]

        let sql: SQL<Int64>
        var cost: Int { sql.cost }

        init(_ value: Int64, into table: String) {
            sql = SQL(number: "INSERT INTO \(table) (value) VALUES ($1) RETURNING place", [.int8]) { $0.append(value) }
        }

        /// Ends its own session.
        init(endingItsSession: Void) { sql = SQL(number: "SELECT 1::int8 WHERE pg_terminate_backend(pg_backend_pid())") }

        func enqueue(into pipeline: inout Pipeline) { sql.enqueue(into: &pipeline) }

        static func isFinal(_ results: [ResultRows], layout: [Range<Int>]) -> Bool { true }

        func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Insert> {
            guard results.count == 1 else { throw .protocolViolation("\(results.count) results") }
            return .finished(try results[0].int64(0, 0))
        }
    }

    private static let columns =
        "place bigint GENERATED ALWAYS AS IDENTITY, value bigint NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED"

    /// How many operations make a batch that announces its commit.
    private static let size = 10

    @Test func theNextBatchIsCommittedThoughTheCommitBeforeItFailed() async throws {
        try await ConnectionGroupTests.withBlockedWriter({ $0.batchOperations = Self.size }) { database, group, release in
            let table = try await ConnectionGroupTests.table(Self.columns, in: database)
            _ = try await database.writer(shard: 1).run(Insert(3, into: table))
            let first = ConnectionGroupTests.enqueue((0..<Int64(Self.size)).map { Insert($0, into: table) }, to: group)
            let second = ConnectionGroupTests.enqueue((100..<104).map { Insert($0, into: table) }, to: group)
            try await release()

            var places: [[Int64]] = [[], []]
            for (number, task) in first.enumerated() {
                if number == 3 {
                    #expect(await failure { try await task.value }?.sqlState == .uniqueViolation)
                } else {
                    places[0].append(try await task.value)
                }
            }
            for task in second { places[1].append(try await task.value) }
            #expect(places[0] == places[0].sorted() && places[1] == places[1].sorted(), "\(places)")
            // The second batch was on its way already when the first had to run again.
            #expect(try #require(places[1].last) < places[0][0], "\(places)")
            let count = try await database.reader.run(SQL(number: "SELECT count(*) FROM \(table)"))
            #expect(count == Int64(1 + Self.size - 1 + 4))
        }
    }

    @Test func aBatchThatIsConfirmedStandsThoughTheConnectionIsLostInTheNext() async throws {
        try await ConnectionGroupTests.withBlockedWriter({ $0.batchOperations = Self.size }) { database, group, release in
            let table = try await ConnectionGroupTests.table(Self.columns, in: database)
            let first = ConnectionGroupTests.enqueue((0..<Int64(Self.size)).map { Insert($0, into: table) }, to: group)
            let second = ConnectionGroupTests.enqueue([Insert(100, into: table), Insert(endingItsSession: ())], to: group)
            try await release()

            for task in first { _ = try await task.value }
            for task in second {
                let error = await failure { try await task.value }
                guard case .unavailable(_, outcomeUnknown: true) = error else {
                    Issue.record("expected an unknown outcome, got \(String(describing: error))")
                    continue
                }
            }
            let count = try await database.reader.run(SQL(number: "SELECT count(*) FROM \(table)"))
            #expect(count == Int64(Self.size))
        }
    }
}
