import Foundation
import TestSupport
import Testing

@testable import Postgres
@testable import PostgresCluster

@Suite(.serialized) struct EmbeddedClusterTests {
    func start(_ directory: String) async throws -> (cluster: EmbeddedCluster, conninfo: String) {
        let cluster = EmbeddedCluster(configuration: TestCluster.configuration(directory), logger: TestCluster.logger)
        return (cluster, try await cluster.start())
    }

    func query(_ conninfo: String, _ sql: String) async throws -> Int64 {
        let database = try TestCluster.database(conninfo)
        let result = await Task { try await database.writer(shard: 0).run(SQL(number: sql)) }.result
        await database.shutdown()
        return try result.get()
    }

    func startError(_ directory: String) async -> EmbeddedClusterError? {
        do {
            let (cluster, _) = try await start(directory)
            await cluster.stop()
            return nil
        } catch {
            return error as? EmbeddedClusterError
        }
    }

    @Test func dataOutlivesARestart() async throws {
        let directory = TestCluster.temporaryDirectory()
        defer { TestCluster.remove(directory) }
        let (first, conninfo) = try await start(directory)
        let checksums = try await query(
            conninfo,
            "SELECT count(*) FROM pg_settings WHERE (name, setting) IN (('data_checksums', 'on'), ('server_encoding', 'UTF8'), ('lc_collate', 'C'), ('listen_addresses', ''))"
        )
        #expect(checksums == 4)
        _ = try? await query(conninfo, "CREATE TABLE kept AS SELECT 1 AS n")
        await first.stop()
        #expect(ClusterProcesses(dataDirectory: "\(directory)/postgres").running().isEmpty)
        let (second, again) = try await start(directory)
        let count = try await query(again, "SELECT count(*) FROM kept")
        #expect(count == 1)
        #expect(Files.info("\(directory)/socket").map { $0.mode & 0o777 } == 0o700)
        await second.stop()
    }

    @Test func aSecondServerIsRefused() async throws {
        let directory = try await TestCluster.directoryWithCluster()
        defer { TestCluster.remove(directory) }
        let (cluster, _) = try await start(directory)
        let error = await startError(directory)
        #expect(error == .alreadyRunning(pid: Int(getpid()), directory: directory))
        await cluster.stop()
        #expect(await startError(directory) == nil)
    }

    /// As a process has it that was just forked, until it runs its program.
    @Test func aCopyOfTheDescriptorHoldsNothing() throws {
        let path = TestCluster.temporaryDirectory() + ".lock"
        defer { unlink(path) }
        let copy: CInt
        do {
            let lock = try DirectoryLock(path: path, directory: "d")
            copy = dup(lock.descriptor)
        }
        defer { close(copy) }
        _ = try DirectoryLock(path: path, directory: "d")
    }

    /// What a killed server leaves: PostgreSQL running on the directory, and nobody who holds the lock.
    @Test func anOrphanIsTakenOver() async throws {
        let directory = try await TestCluster.directoryWithCluster()
        defer { TestCluster.remove(directory) }
        try startByHand(directory)
        let byHand = "host=\(directory)/postgres port=5432 user=flowstate dbname=flowstate"
        _ = try? await query(byHand, "CREATE TABLE kept AS SELECT 1 AS n")
        let orphan = try #require(TestCluster.postmaster(directory))
        let (second, again) = try await start(directory)
        #expect(!ClusterProcesses(dataDirectory: "\(directory)/postgres").running().contains(orphan))
        #expect(TestCluster.postmaster(directory) != orphan)
        let count = try await query(again, "SELECT count(*) FROM kept")
        #expect(count == 1)
        await second.stop()
    }

    @Test func childrenWithoutAPostmasterAreTakenOver() async throws {
        let directory = try await TestCluster.directoryWithCluster()
        defer { TestCluster.remove(directory) }
        try startByHand(directory)
        let processes = ClusterProcesses(dataDirectory: "\(directory)/postgres")
        let orphan = try #require(TestCluster.postmaster(directory))
        // A stopped child cannot notice that its postmaster has died.
        let child = try #require(processes.running().first { $0 != orphan })
        kill(child, SIGSTOP)
        kill(orphan, SIGKILL)
        let (second, conninfo) = try await start(directory)
        let one = try await query(conninfo, "SELECT 1::int8")
        #expect(one == 1)
        await second.stop()
    }

    @Test func aLockFileOfSomebodyElsesProcessIsNoObstacle() async throws {
        let directory = try await TestCluster.directoryWithCluster()
        defer { TestCluster.remove(directory) }
        try "\(getppid())\n\(directory)/postgres\n1\n5432\n\(directory)/socket\n\n\n".write(
            toFile: "\(directory)/postgres/postmaster.pid", atomically: false, encoding: .utf8)
        let error = await startError(directory)
        #expect(error == nil)
    }

    @Test func anInterruptedInitialisationLeavesNothing() async throws {
        let directory = TestCluster.temporaryDirectory()
        defer { TestCluster.remove(directory) }
        try FileManager.default.createDirectory(atPath: "\(directory)/postgres.init-1/base", withIntermediateDirectories: true)
        let starting = Task { try await start(directory) }
        let began = await eventually { Files.names(in: directory).contains { $0.hasPrefix("postgres.init-\(getpid())") } }
        #expect(began)
        starting.cancel()
        let result = await starting.result
        #expect(throws: EmbeddedClusterError.self) { try result.get() }
        #expect(Files.names(in: directory).filter { $0.hasPrefix("postgres") } == [])
        let error = await startError(directory)
        #expect(error == nil)
    }

    @Test func aLongPathGetsItsSocketElsewhere() async throws {
        let top = TestCluster.temporaryDirectory()
        defer { TestCluster.remove(top) }
        let directory = "\(top)/" + String(repeating: "d", count: 100)
        let (cluster, conninfo) = try await start(directory)
        #expect(conninfo.hasPrefix("host='/tmp/flowstate-"))
        let one = try await query(conninfo, "SELECT 1::int8")
        #expect(one == 1)
        await cluster.stop()
        let socket = conninfo.split(separator: "'")[1]
        #expect(Files.info(String(socket)) == nil)
    }

    @Test func dataOfAnotherMajorVersionIsRefused() async throws {
        let directory = try await TestCluster.directoryWithCluster()
        defer { TestCluster.remove(directory) }
        try "9\n".write(toFile: "\(directory)/postgres/PG_VERSION", atomically: false, encoding: .utf8)
        let error = await startError(directory)
        guard case .versionMismatch(_, data: "9", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func aWrongSettingIsToldInPostgreSQLsWords() async throws {
        let directory = try await TestCluster.directoryWithCluster()
        defer { TestCluster.remove(directory) }
        var configuration = TestCluster.configuration(directory)
        configuration.settings["shared_buffers"] = "nonsense"
        let cluster = EmbeddedCluster(configuration: configuration, logger: TestCluster.logger)
        let error = await #expect(throws: EmbeddedClusterError.self) { try await cluster.start() }
        #expect(try #require(error).description.contains("invalid value for parameter \"shared_buffers\""))
        let later = await startError(directory)
        #expect(later == nil, "the failed start gave the directory back")
    }

    @Test func missingBinariesAreToldWithWhereTheyWereLookedFor() async throws {
        let directory = TestCluster.temporaryDirectory()
        defer { TestCluster.remove(directory) }
        var configuration = TestCluster.configuration(directory)
        configuration.binaryDirectory = "/nonexistent"
        let cluster = EmbeddedCluster(configuration: configuration, logger: TestCluster.logger)
        await #expect(throws: EmbeddedClusterError.binariesNotFound(searched: ["/nonexistent"])) { try await cluster.start() }
    }

    @Test(.enabled(if: geteuid() == 0)) func aDirectoryThatPostgresCannotReachIsNamed() async throws {
        let top = TestCluster.temporaryDirectory()
        defer { TestCluster.remove(top) }
        chmod(top, 0o700)
        let error = await startError("\(top)/data")
        guard case .user(let message) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message.contains("chmod o+x \(top)"))
    }

    /// Starts PostgreSQL on the directory with its own tool, as its owner.
    private func startByHand(_ directory: String) throws {
        let bin = try #require(["/usr/lib/postgresql/15/bin"].first { access("\($0)/pg_ctl", X_OK) == 0 })
        let command = [
            "\(bin)/pg_ctl", "start", "--wait", "-D", "\(directory)/postgres", "-l", "\(directory)/postgres/by-hand.log", "-o",
            "-c listen_addresses= -c unix_socket_directories=\(directory)/postgres -c shared_buffers=16MB",
        ]
        let info = try #require(Files.info("\(directory)/postgres"))
        let identity = ["/usr/bin/setpriv", "--reuid", "\(info.user)", "--regid", "\(info.group)", "--clear-groups"]
        #expect(run((geteuid() == 0 ? identity : []) + command) == 0)
    }
}
