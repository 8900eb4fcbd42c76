import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Postgres

@Suite struct ConnectionGroupTests {
    /// Occupies the connection group's connection until `release` is called, so that what is submitted meanwhile gathers in the queue.
    struct Blocker {
        let key: Int64
        let group: ConnectionGroup
        let database: Database
        let task: Task<Int64, any Error>

        /// Waits in PostgreSQL for an advisory lock that another connection group holds.
        init(_ group: ConnectionGroup, _ database: Database, holding other: ConnectionGroup) async throws {
            key = Int64.random(in: 1...Int64.max)
            self.group = group
            self.database = database
            let (key, locked) = (key, SQL(number: "SELECT 1::int8 FROM pg_advisory_lock($1)", [.int8]) { [key] in $0.append(key) })
            _ = try await other.run(locked)
            let waiting = SQL(number: "SELECT $1 FROM pg_advisory_xact_lock($1)", [.int8]) { $0.append(key) }
            task = Task { try await group.run(waiting) }
            let isWaiting = SQL(
                number: "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = ($1 & 4294967295)::oid",
                [.int8]
            ) { $0.append(key) }
            _ = try await eventually { try await other.run(isWaiting) == 1 }
        }

        func release(_ other: ConnectionGroup) async throws {
            let key = key
            _ = try await other.run(SQL(number: "SELECT 1::int8 FROM pg_advisory_unlock($1)", [.int8]) { $0.append(key) })
            _ = try await task.value
        }
    }

    /// A database whose writer 0 is blocked by writer 1.
    static func withBlockedWriter(
        _ change: (inout Database.Configuration) -> Void = { _ in },
        _ body: @Sendable (Database, ConnectionGroup, _ release: @Sendable () async throws -> Void) async throws -> Void
    ) async throws {
        // What is blocked waits for as long as a test takes on a busy machine.
        try await TestCluster.withDatabase({
            $0.lockTimeout = .seconds(60)
            change(&$0)
        }) { database in
            let (group, other) = (database.writer(shard: 0), database.writer(shard: 1))
            let blocker = try await Blocker(group, database, holding: other)
            try await body(database, group) { try await blocker.release(other) }
        }
    }

    static func table(_ columns: String, in database: Database) async throws -> String {
        let name = "t_" + UUID().uuidString.replacing("-", with: "_").lowercased()
        _ = try await database.writer(shard: 1).run(SQL(command: "CREATE TABLE \(name) (\(columns))"))
        return name
    }

    static func enqueue<O: Postgres.Operation>(_ operations: [O], to group: ConnectionGroup) -> [Task<O.Outcome, any Error>] {
        operations.map { operation in
            let (stream, continuation) = AsyncThrowingStream.makeStream(of: O.Outcome.self)
            group.enqueue(operation, deadline: nil, cancellation: nil, executor: InlineExecutor.shared) { result in
                continuation.yield(with: result.mapError { $0 })
                continuation.finish()
            }
            return Task {
                for try await outcome in stream { return outcome }
                throw CancellationError()
            }
        }
    }

    @Test func answersOneOperation() async throws {
        try await TestCluster.withDatabase { database in
            let read = try await database.reader.run(SQL(number: "SELECT 41::int8 + 1"))
            #expect(read == 42)
            #expect(database.status == Database.Status(isAvailable: true, reason: nil, queued: 0))
        }
    }

    @Test func commitsAGroupAtOnceInTheOrderOfSubmission() async throws {
        try await Self.withBlockedWriter({ $0.batchOperations = 64 }) { database, group, release in
            let table = try await Self.table("place bigint GENERATED ALWAYS AS IDENTITY, number bigint", in: database)
            let inserts = (0..<128).map { number in
                SQL(number: "INSERT INTO \(table) (number) VALUES ($1) RETURNING pg_current_xact_id()::text::int8", [.int8]) {
                    $0.append(Int64(number))
                }
            }
            let tasks = Self.enqueue(inserts, to: group)
            try await release()
            var transactions: [Int64] = []
            for task in tasks { transactions.append(try await task.value) }
            #expect(Set(transactions).count == 2, "64 operations a batch")
            let numbers = try await database.reader.run(
                SQL("SELECT number FROM \(table) ORDER BY place") { (rows) throws(PostgresError) in
                    var numbers: [Int64] = []
                    for row in 0..<rows.count { numbers.append(try rows.int64(row, 0)) }
                    return numbers
                })
            #expect(numbers == Array(0..<128))
        }
    }

    @Test func deliversABatchInOneCallAnExecutor() async throws {
        final class CountingExecutor: CompletionExecutor {
            let calls = Atomic(0)
            func execute(_ work: @escaping @Sendable () -> Void) {
                calls.add(1, ordering: .relaxed)
                work()
            }
            func executeSteps(_ step: @escaping @Sendable () -> Bool) {
                execute { while step() {} }
            }
        }
        let executors = [CountingExecutor(), CountingExecutor()]
        let (done, continuation) = AsyncStream.makeStream(of: Int64.self)
        try await Self.withBlockedWriter { _, group, release in
            for number in 0..<40 {
                let operation = SQL(number: "SELECT $1", [.int8]) { $0.append(Int64(number)) }
                group.enqueue(operation, deadline: nil, cancellation: nil, executor: executors[number % 2]) { result in
                    if case .success(let number) = result { continuation.yield(number) }
                }
            }
            try await release()
        }
        continuation.finish()
        let numbers = await done.reduce(into: []) { $0.append($1) }
        #expect(numbers.sorted() == Array(0..<40))
        #expect(executors.map { $0.calls.load(ordering: .relaxed) } == [1, 1])
    }

    @Test func failsOnlyTheGuilty() async throws {
        try await Self.withBlockedWriter { database, group, release in
            let table = try await Self.table("number bigint CHECK (number <> 13)", in: database)
            let inserts = (0..<32).map { number in
                SQL(command: "INSERT INTO \(table) VALUES ($1)", [.int8]) { $0.append(Int64(number)) }
            }
            let tasks = Self.enqueue(inserts, to: group)
            try await release()
            for (number, task) in tasks.enumerated() {
                let error = await failure { try await task.value }
                #expect(error?.sqlState == (number == 13 ? .checkViolation : nil))
            }
            let count = try await database.reader.run(SQL(number: "SELECT count(*) FROM \(table)"))
            #expect(count == 31, "each of the others is applied once")
        }
    }

    @Test func failsOnlyTheGuiltyWhenTheCommitItselfFails() async throws {
        try await Self.withBlockedWriter { database, group, release in
            let table = try await Self.table("number bigint UNIQUE DEFERRABLE INITIALLY DEFERRED", in: database)
            let tasks = Self.enqueue(
                [1, 2, 1, 3].map { number in
                    SQL(command: "INSERT INTO \(table) VALUES ($1)", [.int8]) { $0.append(Int64(number)) }
                }, to: group)
            try await release()
            var states: [SQLState?] = []
            for task in tasks { states.append(await failure { try await task.value }?.sqlState) }
            #expect(states == [nil, nil, .uniqueViolation, nil])
        }
    }

    @Test func failsOnlyTheOneWhoseStatementIsWrong() async throws {
        try await Self.withBlockedWriter { _, group, release in
            let tasks = Self.enqueue(["SELECT 1::int8", "SELEKT 2", "SELECT 3::int8"].map { SQL(number: $0) }, to: group)
            try await release()
            let values = [try await tasks[0].value, try await tasks[2].value]
            #expect(values == [1, 3])
            let error = await failure { try await tasks[1].value }
            #expect(error?.sqlState == SQLState(rawValue: "42601"), "told why, not that the statement does not exist")
        }
    }

    @Test func failsOnlyTheOneThatTheProtocolCannotCarry() async throws {
        try await Self.withBlockedWriter { _, group, release in
            let tasks = Self.enqueue(
                [1, 70_000, 3].map { count in
                    SQL(number: "SELECT $1", [.int8]) { for _ in 0..<count { $0.append(Int64(count)) } }
                }.enumerated().map { $0 == 2 ? SQL(number: "SELECT 3::int8") : $1 }, to: group)
            try await release()
            let values = [try await tasks[0].value, try await tasks[2].value]
            #expect(values == [1, 3])
            let error = await failure { try await tasks[1].value }
            #expect(error == .protocolViolation("more than 65535 parameters in a statement"))
        }
    }

    /// 08P01 is an error of its class 08 after which the session goes on.
    @Test func failsOnlyTheOneWithTheWrongNumberOfParameters() async throws {
        try await Self.withBlockedWriter { _, group, release in
            let tasks = Self.enqueue(
                [SQL(number: "SELECT 1::int8"), SQL(number: "SELECT $1", [.int8]), SQL(number: "SELECT 3::int8")], to: group)
            try await release()
            let values = [try await tasks[0].value, try await tasks[2].value]
            #expect(values == [1, 3])
            let error = await failure { try await tasks[1].value }
            #expect(error?.sqlState?.rawValue == "08P01")
        }
    }

    @Test func anOutcomeThatCannotBeReadFailsItsOperationOnly() async throws {
        try await Self.withBlockedWriter { _, group, release in
            let tasks = Self.enqueue(["SELECT 1::int8", "SELECT 'x'::text"].map { SQL(number: $0) }, to: group)
            try await release()
            let value = try await tasks[0].value
            #expect(value == 1)
            guard case .protocolViolation = await failure({ try await tasks[1].value }) else {
                Issue.record("read a text as a number")
                return
            }
        }
    }

    /// Requests and answers of a batch are both larger than the sockets' buffers: neither side may wait for the other to read.
    @Test func largeBatchesDoNotStall() async throws {
        try await Self.withBlockedWriter { _, group, release in
            let bytes = [UInt8](repeating: 0xA5, count: 1 << 20)
            let tasks = Self.enqueue(
                (0..<12).map { _ in
                    SQL("SELECT $1", [.bytea]) {
                        $0.append(bytes: bytes)
                    } read: { (rows) throws(PostgresError) in
                        try rows.bytes(0, 0) == bytes
                    }
                }, to: group)
            try await release()
            for task in tasks {
                let isSame = try await task.value
                #expect(isSame)
            }
        }
    }

    @Test func refusesBeyondTheQueuesLimit() async throws {
        try await Self.withBlockedWriter({ $0.queueLimit = 10 }) { _, group, release in
            let tasks = Self.enqueue((0..<11).map { SQL(number: "SELECT \($0)::int8") }, to: group)
            let error = await failure { try await tasks[10].value }
            #expect(error == .overloaded(queued: 10, limit: 10, unit: .operations))
            try await release()
            for (number, task) in tasks.prefix(10).enumerated() {
                let value = try await task.value
                #expect(value == Int64(number))
            }
        }
    }

    @Test func finishesWhatWaitsBeforeItShutsDown() async throws {
        try await Self.withBlockedWriter { database, group, _ in
            // Shutting down closes the connection that blocks the connection group.
            let tasks = Self.enqueue((0..<5).map { SQL(number: "SELECT \($0)::int8") }, to: group)
            async let shutdown: Void = database.shutdown()
            _ = await eventually { group.isDraining }
            let refused = await failure { try await group.run(SQL(number: "SELECT 1::int8")) }
            #expect(refused == .shutdown)
            await shutdown
            for (number, task) in tasks.enumerated() {
                let value = try await task.value
                #expect(value == Int64(number))
            }
        }
    }

    @Test func shutdownIsBounded() async throws {
        try await TestCluster.withDatabase({ $0.drainTimeout = .milliseconds(50) }) { database in
            let tasks = Self.enqueue([SQL(number: "SELECT 1::int8 FROM pg_sleep(600)")], to: database.writer(shard: 0))
            await database.shutdown()
            let error = await failure { try await tasks[0].value }
            // On a busy machine PostgreSQL may not have heard of the cancel request when shutting down gives up.
            let unanswered = PostgresError.unavailable(message: "the server does not answer", outcomeUnknown: true)
            #expect(error == .shutdown || error == unanswered)
        }
    }
}
