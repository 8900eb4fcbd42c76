import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Postgres
@testable import PostgresCluster

/// PostgreSQL goes away and comes back. Each test has a cluster of its own.
@Suite(.serialized) struct OutageTests {
    @Test func theServerStartsBeforeItsDatabase() async throws {
        let directory = try await TestCluster.directoryWithCluster()
        defer { TestCluster.remove(directory) }
        let conninfo = "host=\(directory)/socket port=5432 user=flowstate dbname=flowstate"
        let database = try TestCluster.database(conninfo)
        let down = await eventually { database.status.reason != nil }
        #expect(down)
        let error = await failure { try await database.reader.run(SQL(number: "SELECT 1::int8")) }
        guard case .unavailable(let message, outcomeUnknown: false) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message.contains(directory))
        let cluster = EmbeddedCluster(configuration: TestCluster.configuration(directory), logger: TestCluster.logger)
        let actual = try await cluster.start()
        #expect(actual.contains("host='\(directory)/socket'"))
        let isAvailable = await database.waitUntilAvailable()
        #expect(isAvailable)
        let value = try await database.reader.run(SQL(number: "SELECT 1::int8"))
        #expect(value == 1)
        await database.shutdown()
        await cluster.stop()
    }

    /// What writers were told.
    final class Ledger: Sendable {
        private let acknowledged = Mutex<Set<Int64>>([])
        private let next = Atomic<Int64>(0)
        private let isDone = Atomic(false)

        var count: Int { acknowledged.withLock(\.count) }
        func finish() { isDone.store(true, ordering: .relaxed) }
        func isContained(in stored: [Int64]) -> Bool { acknowledged.withLock { $0.isSubset(of: stored) } }

        /// Inserts one number after the other until `finish` is called.
        func write(through group: ConnectionGroup) async {
            while !isDone.load(ordering: .relaxed) {
                let number = next.add(1, ordering: .relaxed).newValue
                let insert = SQL(command: "INSERT INTO t VALUES ($1)", [.int8]) { $0.append(number) }
                switch await failure({ try await group.run(insert) }) {
                case nil: acknowledged.withLock { _ = $0.insert(number) }
                case .unavailable: await Task.yield()
                case let error: Issue.record("\(String(describing: error))")
                }
            }
        }
    }

    /// Writers go on while the postmaster is killed again and again: nothing acknowledged is lost, nothing is applied twice.
    @Test func nothingAcknowledgedIsLostWhenPostgreSQLIsKilled() async throws {
        try await TestCluster.withCluster { _, conninfo, directory in
            let database = try TestCluster.database(conninfo)
            _ = await database.waitUntilAvailable()
            _ = try await database.writer(shard: 0).run(SQL(command: "CREATE TABLE t (n bigint)"))
            let ledger = Ledger()
            await withTaskGroup(of: Void.self) { group in
                for writer in 0..<8 { group.addTask { await ledger.write(through: database.writer(shard: UInt64(writer))) } }
                for _ in 0..<3 {
                    let before = ledger.count
                    let progresses = await eventually { ledger.count > before + 50 }
                    #expect(progresses)
                    let pid = TestCluster.postmaster(directory)
                    #expect(pid != nil)
                    if let pid { kill(pid, SIGKILL) }
                    _ = await eventually { !database.isAvailable }
                    let returned = await database.waitUntilAvailable()
                    #expect(returned)
                }
                ledger.finish()
            }
            let stored = try await database.reader.run(
                SQL("SELECT n FROM t") { (rows) throws(PostgresError) in
                    var numbers: [Int64] = []
                    for row in 0..<rows.count { numbers.append(try rows.int64(row, 0)) }
                    return numbers
                })
            #expect(Set(stored).count == stored.count, "applied twice")
            #expect(ledger.isContained(in: stored), "lost")
            await database.shutdown()
        }
    }

    @Test func aReadRunsAgainAndAWriteIsOfUnknownOutcome() async throws {
        try await TestCluster.withDatabase { database in
            let cut = { @Sendable (mark: String) in
                SQL(
                    number:
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%\(mark)' AND pid <> pg_backend_pid()"
                )
            }
            let reading = Task { try await database.reader.run(SQL(number: "SELECT 4::int8 FROM pg_sleep(15) -- cut-read")) }
            let readCut = try await eventually { try await database.writer(shard: 0).run(cut("cut-read")) == 1 }
            #expect(readCut)
            let value = try await reading.value
            #expect(value == 4)
            let writing = Task { try await database.writer(shard: 1).run(SQL(number: "SELECT 4::int8 FROM pg_sleep(600) -- cut-write")) }
            let writeCut = try await eventually { try await database.writer(shard: 0).run(cut("cut-write")) == 1 }
            #expect(writeCut)
            let error = await failure { try await writing.value }
            guard case .unavailable(let message, outcomeUnknown: true) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(message.contains("terminating connection"))
        }
    }

    @Test func anIdleConnectionThatWasCutIsNoticedAtOnce() async throws {
        try await TestCluster.withDatabase({ $0.applicationName = "cut-idle" }) { database in
            let changes = database.availability()
            let cut = try await TestCluster.withDatabase { other in
                try await other.reader.run(
                    SQL(number: "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cut-idle'"))
            }
            // Nobody waited for the one in the background.
            #expect(cut >= 4)
            var seen: [Bool] = []
            for await isAvailable in changes {
                seen.append(isAvailable)
                if seen.count > 1, isAvailable { break }
            }
            #expect(seen == [true, false, true])
        }
    }
}
