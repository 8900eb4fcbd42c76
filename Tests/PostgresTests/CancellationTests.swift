import Resources
import Synchronization
import TestSupport
import Testing

@testable import Postgres

@Suite struct CancellationTests {
    /// Sleeps in PostgreSQL; the text makes it recognisable in `pg_stat_activity`.
    static func sleep(_ mark: String) -> SQL<Int64> { SQL(number: "SELECT 1::int8 FROM pg_sleep(600) -- \(mark)") }

    static func isRunning(_ mark: String, _ database: Database) async throws -> Bool {
        let count = SQL(number: "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%' || $1", [.text]) {
            $0.append(mark)
        }
        return try await database.reader.run(count) > 0
    }

    @Test func aRunningOperationIsCancelledInPostgreSQL() async throws {
        try await TestCluster.withDatabase { database in
            let task = Task { try await database.writer(shard: 0).run(Self.sleep("cancel-one")) }
            let began = try await eventually { try await Self.isRunning("cancel-one", database) }
            #expect(began)
            task.cancel()
            let error = await failure { try await task.value }
            #expect(error == .cancelled)
            let ended = try await eventually { try await !Self.isRunning("cancel-one", database) }
            #expect(ended)
            let next = try await database.writer(shard: 0).run(SQL(number: "SELECT 2::int8"))
            #expect(next == 2, "the connection serves on")
        }
    }

    /// A cancellation costs PostgreSQL a process, and the next batch waits for it: who gives up many short operations holds nobody up.
    @Test func aBatchThatHasJustBeenSentIsNotCancelled() {
        let token = CancellationToken()
        let job = Job(
            OperationWork(SQL(number: "SELECT 1::int8")) { _ in }, executor: InlineExecutor.shared, cancellation: token, deadline: nil)
        let entry = BatchQueue<Job>.Entry(id: 0, element: job, cost: 1, deadline: nil, affinity: .any, caller: 0)
        let batch = Batch([entry])
        #expect(batch.prepareRound())
        let sent = Instant.now
        #expect(!batch.isAbandoned(now: sent + .seconds(1)), "somebody waits for it")
        token.cancel()
        #expect(!batch.isAbandoned(now: sent + Batch.cancelDelay - .milliseconds(50)))
        #expect(batch.isAbandoned(now: sent + Batch.cancelDelay))
    }

    @Test func aRunningOperationIsCancelledAtItsDeadline() async throws {
        try await TestCluster.withDatabase { database in
            let deadline = Instant.now + .milliseconds(300)
            let error = await failure {
                try await database.writer(shard: 0).run(Self.sleep("deadline-one"), deadline: deadline)
            }
            #expect(error == .deadlineExceeded)
            #expect(Instant.now >= deadline)
            let ended = try await eventually { try await !Self.isRunning("deadline-one", database) }
            #expect(ended)
        }
    }

    @Test func aQueuedOperationIsDroppedAtOnce() async throws {
        try await ConnectionGroupTests.withBlockedWriter { database, group, release in
            let table = try await ConnectionGroupTests.table("number bigint", in: database)
            let insert = SQL(command: "INSERT INTO \(table) VALUES (1)")
            let task = Task { try await group.run(insert) }
            _ = await eventually { group.queued == 1 }
            let late = Task { try await group.run(insert, deadline: .now + .milliseconds(50)) }
            task.cancel()
            let error = await failure { try await task.value }
            #expect(error == .cancelled)
            let lateError = await failure { try await late.value }
            #expect(lateError == .deadlineExceeded, "while the connection is still busy")
            try await release()
            let count = try await group.run(SQL(number: "SELECT count(*) FROM \(table)"))
            #expect(count == 0)
        }
    }

    @Test func aTokenCancelledBeforeIsHonoured() async throws {
        try await TestCluster.withDatabase { database in
            let token = CancellationToken()
            token.cancel()
            let result: Result<Int64, PostgresError> = await withCheckedContinuation { continuation in
                database.writer(shard: 0).enqueue(
                    Self.sleep("before"), deadline: nil, cancellation: token, executor: InlineExecutor.shared
                ) { continuation.resume(returning: $0) }
            }
            #expect(throws: PostgresError.cancelled) { try result.get() }
        }
    }

    /// A neighbour in the batch still waits for its outcome: the batch goes on.
    @Test func neighboursOfACancelledOperationAreServed() async throws {
        try await ConnectionGroupTests.withBlockedWriter { database, group, release in
            let slow = Task { try await group.run(SQL(number: "SELECT 7::int8 FROM pg_sleep(15) -- neighbour")) }
            _ = await eventually { group.queued == 1 }
            let cancelled = Task { try await group.run(SQL(number: "SELECT 8::int8")) }
            _ = await eventually { group.queued == 2 }
            try await release()
            let isRunning = try await eventually(within: .seconds(10)) { try await Self.isRunning("neighbour", database) }
            #expect(isRunning)
            cancelled.cancel()
            let value = try await slow.value
            #expect(value == 7)
            let other = try await cancelled.value
            #expect(other == 8, "committed with its neighbour, and told so")
        }
    }

    @Test func manyCancellationsAtAnyMomentLeaveTheLanesInOrder() async throws {
        try await TestCluster.withDatabase { database in
            let group = database.reader
            await withTaskGroup(of: Void.self) { tasks in
                for number in 0..<400 {
                    tasks.addTask {
                        let task = Task { try await group.run(SQL(number: "SELECT \(number % 7)::int8 FROM pg_sleep(0.001)")) }
                        if number % 2 == 0 { task.cancel() }
                        let result = await task.result
                        switch result {
                        case .success(let value): #expect(value == Int64(number % 7))
                        case .failure(let error): #expect(error as? PostgresError == .cancelled && number % 2 == 0)
                        }
                    }
                }
            }
            #expect(group.queued == 0)
            let value = try await group.run(SQL(number: "SELECT 3::int8"))
            #expect(value == 3)
        }
    }
}
