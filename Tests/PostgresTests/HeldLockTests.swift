import Resources
import TestSupport
import Testing

@testable import Postgres

/// Rows that another transaction holds.
@Suite struct HeldLockTests {
    /// Adds one to a row; `lock` is the row's.
    struct Hit: SingleOperation {
        typealias Outcome = Int64
        let row: Int64
        let table: String
        var cost: Int { 100 }
        var lockOrder: UInt64? { UInt64(row) }

        func enqueue(into pipeline: inout Pipeline) {
            var parameters = Parameters()
            parameters.append(row)
            pipeline.execute(
                Statement(
                    name: "hit \(table)", sql: "UPDATE \(table) SET hits = hits + 1 WHERE id = $1 RETURNING hits", parameterTypes: [.int8]),
                parameters)
        }

        func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Hit> { .finished(try results[0].int64(0, 0)) }
    }

    /// A table of `rows` rows of which the first `held` are locked by a session until `release` is called.
    static func withHeldRows(
        rows: Int, held: Int, _ body: (Database, _ table: String, _ release: () async -> Void) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase({ $0.lockTimeout = .milliseconds(400) }) { database in
            let table = try await ConnectionGroupTests.table("id bigint PRIMARY KEY, hits bigint NOT NULL DEFAULT 0", in: database)
            _ = try await database.writer(shard: 1).run(SQL(command: "INSERT INTO \(table) SELECT generate_series(1, \(rows))"))
            let options = try ConnectionOptions(conninfo: try await TestCluster.conninfo())
            let (locked, continuation) = AsyncStream.makeStream(of: Void.self)
            let holder = Task {
                try await Blocking.run(name: "pg-holder") { (interruption) throws(PostgresError) in
                    let connection = try DirectConnection(options, interruption: interruption, logger: TestCluster.logger)
                    try connection.execute("BEGIN; SELECT 1 FROM \(table) WHERE id <= \(held) FOR UPDATE")
                    continuation.yield()
                    // Closing the connection lets them go.
                    while !interruption.isInterrupted { _ = interruption.wakeup.wait(until: .now + .seconds(60)) }
                }
            }
            for await _ in locked { break }
            let release = {
                holder.cancel()
                _ = await holder.result
            }
            do {
                try await body(database, table, release)
            } catch {
                await release()
                throw error
            }
            await release()
        }
    }

    @Test func theOthersGoOnAndWhatWaitsIsAnsweredWhenItsRowIsFree() async throws {
        try await Self.withHeldRows(rows: 60, held: 20) { database, table, release in
            let group = database.writer(shard: 0)
            let hits = { (rows: ClosedRange<Int64>) in ConnectionGroupTests.enqueue(rows.map { Hit(row: $0, table: table) }, to: group) }
            let waiting = hits(1...20) + hits(1...20)
            let others = hits(21...60) + hits(21...60)
            for (number, task) in others.enumerated() {
                let count = try await task.value
                #expect(count == (number < 40 ? 1 : 2))
            }
            #expect(group.queued > 0, "those of held rows wait")
            await release()
            for (number, task) in waiting.enumerated() {
                let count = try await task.value
                #expect(count == (number < 20 ? 1 : 2), "in the order of one row")
            }
        }
    }

    @Test func whatWaitsTooLongIsToldSo() async throws {
        try await Self.withHeldRows(rows: 2, held: 1) { database, table, release in
            let group = database.writer(shard: 0)
            let tasks = ConnectionGroupTests.enqueue([1, 1, 2].map { Hit(row: $0, table: table) }, to: group)
            let other = try await tasks[2].value
            #expect(other == 1)
            for task in tasks.prefix(2) {
                let error = await failure { try await task.value }
                #expect(error == .lockHeld)
            }
            await release()
            let next = try await group.run(Hit(row: 1, table: table))
            #expect(next == 1, "nothing was applied before")
        }
    }

    @Test func aCallerMayGiveUpWaiting() async throws {
        try await Self.withHeldRows(rows: 1, held: 1) { database, table, release in
            let group = database.writer(shard: 0)
            let task = Task { try await group.run(Hit(row: 1, table: table)) }
            let isAside = await eventually { group.hasHeldLocks }
            #expect(isAside)
            task.cancel()
            let error = await failure { try await task.value }
            #expect(error == .cancelled)
            let late = await failure { try await group.run(Hit(row: 1, table: table), deadline: .now + .milliseconds(300)) }
            #expect(late == .deadlineExceeded)
        }
    }
}
