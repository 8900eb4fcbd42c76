import TestSupport
import Testing

@testable import Postgres

/// The connections for work that takes long.
struct BackgroundTests {
    @Test func loadsDoNotWaitBehindLists() async throws {
        try await TestCluster.withDatabase { database in
            let list = Task { try await database.lists.run(SQL(number: "SELECT 1::int8 FROM pg_sleep(600) -- list")) }
            let began = try await eventually { try await CancellationTests.isRunning("-- list", database) }
            #expect(began, "and a load tells")
            list.cancel()
            let error = await failure { try await list.value }
            #expect(error == .cancelled)
        }
    }

    @Test func aListRunsAgainWhenItsConnectionIsLostWhichIsNoPartOfHealth() async throws {
        try await TestCluster.withDatabase { database in
            let list = Task { try await database.lists.run(SQL(number: "SELECT 4::int8 FROM pg_sleep(15) -- cut-list")) }
            let cut = SQL(
                number: """
                    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE state = 'active' AND query LIKE '%cut-list' AND pid <> pg_backend_pid()
                    """)
            let isCut = try await eventually { try await database.writer(shard: 0).run(cut) == 1 }
            #expect(isCut && database.isAvailable)
            let value = try await list.value
            #expect(value == 4)
        }
    }

    @Test func nobodyWaitsBehindIt() async throws {
        try await TestCluster.withDatabase { database in
            let token = CancellationToken()
            let (ended, continuation) = AsyncStream.makeStream(of: Result<Int64, PostgresError>.self)
            database.background.enqueue(
                SQL(number: "SELECT 1::int8 FROM pg_sleep(600)"), deadline: nil, cancellation: token, executor: InlineExecutor.shared
            ) { continuation.yield($0) }
            let read = try await database.reader.run(SQL(number: "SELECT 2::int8"))
            let written = try await database.writer(shard: 0).run(SQL(number: "SELECT 3::int8"))
            #expect(read == 2 && written == 3)
            token.cancel()
            for await result in ended {
                #expect(throws: PostgresError.cancelled) { try result.get() }
                break
            }
        }
    }

    @Test func itsSessionsHaveSettingsOfTheirOwn() async throws {
        let change = { @Sendable (configuration: inout Database.Configuration) in
            configuration.settings = ["work_mem": "1MB", "jit": "off"]
            configuration.backgroundSettings = ["work_mem": "64MB"]
        }
        try await TestCluster.withDatabase(change) { database in
            let show = SQL("SELECT current_setting('work_mem') || current_setting('jit')") { (rows) throws(PostgresError) in
                try rows.text(0, 0)
            }
            let (reader, background) = (try await database.reader.run(show), try await database.background.run(show))
            #expect(reader == "1MBoff" && background == "64MBoff")
        }
    }

    /// What was sent may have been done: it is not done twice.
    @Test func nothingRunsAgainWhenItsConnectionIsLost() async throws {
        try await TestCluster.withDatabase { database in
            let error = await failure {
                try await database.background.run(SQL(number: "SELECT pg_terminate_backend(pg_backend_pid())::int::int8"))
            }
            guard case .unavailable(_, outcomeUnknown: true) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(database.isAvailable, "it serves nobody's loads or saves")
        }
    }

    /// Large reads and writes keep going where PostgreSQL takes no more connections.
    @Test func whatIsLargeGoesWithTheOthersWithoutAConnectionOfItsOwn() async throws {
        let conninfo = try await TestCluster.conninfo()
        try await TestCluster.withDatabase { admin in
            func execute(_ sql: String) async throws { _ = try await admin.background.run(SQL(command: sql)) }
            let role = "large_\(UInt32.random(in: 0 ... .max))"
            try await execute("CREATE ROLE \(role) LOGIN")
            let change: (inout Database.Configuration) -> Void = {
                $0.conninfo = conninfo.replacing("user=flowstate", with: "user=\(role)")
            }
            try await TestCluster.withDatabase(change) { database in
                func groups() -> [ConnectionGroup] { [database.largeWriter(shard: 0), database.largeReader] }
                let general = [database.writer(shard: 0), database.reader]
                let connected = await eventually { zip(groups(), general).allSatisfy { $0 !== $1 } }
                #expect(connected)
                var large: [Int64] = []
                for group in groups() { large.append(try await group.run(SQL(number: "SELECT pg_backend_pid()::int8"))) }
                try await execute("ALTER ROLE \(role) NOLOGIN")
                for process in large { try await execute("SELECT pg_terminate_backend(\(process), 10000)") }
                let lost = await eventually { zip(groups(), general).allSatisfy { $0 === $1 } }
                #expect(lost && database.isAvailable)
                for group in groups() {
                    let answer = try await group.run(SQL(number: "SELECT 1::int8"))
                    #expect(answer == 1)
                }
                try await execute("ALTER ROLE \(role) LOGIN")
                let back = await eventually { zip(groups(), general).allSatisfy { $0 !== $1 } }
                #expect(back)
            }
        }
    }
}
