import TestSupport
import Testing

@testable import Postgres
@testable import PostgresCluster

private func server(_ state: String, _ message: String = "") -> PostgresError {
    .server(SQLState(rawValue: state), message: message, detail: nil, constraint: nil)
}

@Suite struct BatchPlanTests {
    @Test func aBatchIsSentInTheOrderOfItsLocks() {
        let plan = BatchPlan(lockOrders: [7, 3, 7, 1, 3])
        #expect(plan.nextRound() == .together([3, 1, 4, 0, 2]), "by number; those of one number as they came")
    }

    @Test func unitsAreOfOneTypeAndKeepTheOrderOfLocks() {
        let (a, b) = (ObjectIdentifier(Int.self), ObjectIdentifier(String.self))
        #expect(BatchPlan.units([(a, nil), (b, nil), (a, nil), (b, nil)]) == [[0, 2], [1, 3]], "without locks by type")
        #expect(BatchPlan.units([(a, 1), (a, 2), (b, 2), (a, 3)]) == [[0, 1], [2], [3]], "with locks as they stand")
        #expect(BatchPlan.units([(a, 1), (a, nil), (a, 2)]) == [[0], [1], [2]])
        #expect(BatchPlan.units([]) == [])
    }

    @Test func isDoneAfterACommonCommit() {
        var plan = BatchPlan(count: 3)
        #expect(plan.nextRound() == .together([0, 1, 2]))
        plan.togetherFinished(settled: [0, 1, 2])
        #expect(plan.nextRound() == nil)
    }

    @Test func runsEachAloneAfterACommonFailure() {
        var plan = BatchPlan(count: 3)
        plan.togetherFinished(settled: [1])
        #expect(plan.nextRound() == .separately([0, 2]))
        #expect(plan.aloneFinished(0, error: nil) == .settled)
        #expect(plan.aloneFinished(2, error: server("22003")) == .settled)
        #expect(plan.nextRound() == nil)
    }

    @Test func runsASingleOperationAloneAtOnce() {
        #expect(BatchPlan(count: 1).nextRound() == .separately([0]))
    }

    @Test(arguments: ["40001", "40P01", "23505", "26000"]) func repeatsConflictsFiveTimes(_ state: String) {
        var plan = BatchPlan(count: 1)
        for _ in 1..<BatchPlan.maximumAttempts { #expect(plan.aloneFinished(0, error: server(state)) == .runsAgain) }
        #expect(plan.aloneFinished(0, error: server(state)) == .settled)
        #expect(plan.nextRound() == nil)
    }
}

/// Locks that other transactions hold.
@Suite struct BatchPlanLockTests {
    @Test func oneByOneOnlyTheFirstOfALockRuns() {
        var plan = BatchPlan(lockOrders: [1, 2, 1, nil, 2])
        #expect(plan.lockWait.milliseconds == nil)
        plan.togetherFinished(settled: [])
        #expect(plan.lockWait.milliseconds == 20, "little patience for each")
        #expect(plan.nextRound() == .separately([3, 0, 1]))
        #expect(plan.aloneFinished(0, error: nil) == .settled)
        #expect(plan.nextRound() == .separately([3, 2, 1]))
    }

    @Test func whatMeetsAHeldLockLeavesTheBatchWithThoseBehindIt() {
        var plan = BatchPlan(lockOrders: [1, 2, 1])
        plan.togetherFinished(settled: [])
        #expect(plan.aloneFinished(0, error: server("55P03")) == .aside([0, 2]))
        #expect(plan.aloneFinished(1, error: nil) == .settled)
        #expect(plan.nextRound() == nil)
    }

    @Test func withoutALockItFails() {
        var plan = BatchPlan(count: 1)
        #expect(plan.aloneFinished(0, error: server("55P03")) == .settled)
    }

    @Test func aTrialRunsOneByOneFromTheStart() {
        #expect(BatchPlan(lockOrders: [1, 2], lockWait: .trial).nextRound() == .separately([0, 1]))
    }
}

@Suite struct PreparedStatementsTests {
    let statement = Statement(name: "load", sql: "SELECT 1", parameterTypes: [])

    func text(_ name: ContiguousArray<CChar>?) -> String? {
        name.map { String(decoding: $0.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self) }
    }

    @Test func preparesOnce() {
        var prepared = PreparedStatements()
        #expect(text(prepared.nameToPrepare(statement)) == "load")
        #expect(prepared.nameToPrepare(statement) == nil)
        #expect(text(prepared.serverName(statement)) == "load")
    }

    @Test func preparesAgainUnderANewName() {
        var prepared = PreparedStatements()
        _ = prepared.nameToPrepare(statement)
        prepared.invalidate("load")
        #expect(text(prepared.nameToPrepare(statement)) == "load_1")
        #expect(text(prepared.serverName(statement)) == "load_1")
    }
}

extension PreparedStatementsTests {
    @Test func forgetsThoseThatWereNotUsedForTheLongestTime() {
        var prepared = PreparedStatements(capacity: 2)
        let names = ["a", "b", "c"].map { Statement(name: $0, sql: "SELECT 1", parameterTypes: []) }
        for name in names {
            prepared.beginRound()
            _ = prepared.nameToPrepare(name)
            if name.name == "c" { _ = prepared.nameToPrepare(names[0]) }
        }
        let evicted = prepared.evict()
        #expect(evicted.map { text($0) } == ["b"])
        let kept = prepared.nameToPrepare(names[0])
        #expect(kept == nil)
        let again = prepared.nameToPrepare(names[1])
        #expect(text(again) == "b", "prepared again when it is used again")
        let none = prepared.evict()
        #expect(none.isEmpty, "nothing that this round uses")
    }
}

@Suite struct BackoffTests {
    @Test func doublesUpToItsCeilingWithinTheUpperHalf() {
        var backoff = Backoff(first: .milliseconds(50), ceiling: .seconds(1))
        var generator = SeededGenerator(seed: 1)
        for expected in [50, 100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next(using: &generator)
            #expect(pause <= .milliseconds(expected) && pause >= .milliseconds(expected) / 2)
        }
        backoff.reset()
        #expect(backoff.next(using: &generator) <= .milliseconds(50))
    }
}

@Suite struct ConnectionOptionsTests {
    @Test func keepsWhatTheStringSays() throws {
        var options = try ConnectionOptions(conninfo: "postgresql://me:se%20cret@db.example:6432/flows?options=-c%20work_mem%3D8MB")
        options.setDefault("port", "1")
        options.setDefault("keepalives_idle", "10")
        options.settings.require("search_path", "a, b")
        options.settings.require("work_mem", "1MB")
        #expect(options.values["port"] == "6432")
        #expect(options.values["keepalives_idle"] == "10")
        #expect(options.values["options"] == "-c work_mem=8MB")
        #expect(options.settings.required == [.init(name: "search_path", value: "a, b")], "what the string sets wins")
        #expect(options.redacted("password se cret was wrong") == "password *** was wrong")
    }

    @Test(arguments: ["postgresql://me:hunter2@h:5432/d?nonsense=hunter2", "host=h password='hunter2", "hunter2"])
    func namesNoPasswordWhenItCannotBeRead(_ conninfo: String) throws {
        let error = #expect(throws: PostgresError.self) { try ConnectionOptions(conninfo: conninfo) }
        #expect(try !#require(error).description.contains("hunter2"))
    }
}

@Suite struct HostListTests {
    func hosts(_ conninfo: String) throws -> [String] { try ConnectionOptions(conninfo: conninfo).eachHost.map(\.hostName) }

    @Test func eachHostHasItsOwnPort() throws {
        #expect(try hosts("postgresql://a:1,b:2,c/d") == ["a:1", "b:2", "c:5432"])
        #expect(try hosts("host=a,b port=7") == ["a:7", "b:7"])
        #expect(try hosts("host=a") == ["a:5432"])
        let addressed = try ConnectionOptions(conninfo: "host=a,b hostaddr=::1,::2 connect_timeout=1").eachHost
        #expect(addressed.map { $0.values["hostaddr"] } == ["::1", "::2"] && addressed.map { $0.values["host"] } == ["a", "b"])
        #expect(addressed[0].hostTimeout == .seconds(2), "as libpq has it, at least two")
    }

    @Test(arguments: ["host=a port=70000", "host=a port=0", "host=a port=x", "host=a,b port=1,2,3", "postgresql://h:99999/d"])
    func anImpossiblePortIsRefusedAtOnce(_ conninfo: String) throws {
        let error = #expect(throws: PostgresError.self) { try ConnectionOptions(conninfo: conninfo) }
        guard case .incompatible(let message) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message.contains("port"))
    }

    @Test func namesOfSettingsAreReadAsPostgreSQLReadsThem() {
        #expect(
            SessionSettings.names(in: "-c work_mem=8MB --statement-timeout=5 -cjit=off -x y") == ["work_mem", "statement_timeout", "jit"])
    }

    @Test func whatAPathMayHold() {
        #expect(ClusterDirectory.isPlain("/var/lib/flowstate-1.2_x/socket"))
        for odd in ["/a,b", "/a b", "/a'b", "/a\"b", "/a\\b", "/a@b", "/é", "/a\nb", "/" + String(repeating: "d", count: 94)] {
            #expect(!ClusterDirectory.isPlain(odd))
        }
    }

    @Test func libpqsVariablesAreToldByTheirNames() {
        #expect(ClusterEnvironment.libpqVariables(in: ["PGSERVICE", "PATH", "PGTZ", "XPG"]) == ["PGSERVICE", "PGTZ"])
    }
}

@Suite struct MigrationPlanTests {
    let migrations = [Migration(number: 1, name: "one", sql: "a"), Migration(number: 2, name: "two", sql: "b")]
    let checksums = ["1", "2"]

    func pending(_ applied: [AppliedMigration]) throws(PostgresError) -> [Int] {
        try MigrationPlan.pending(migrations, checksums: checksums, applied: applied, schema: "s").map(\.number)
    }

    @Test func appliesWhatIsMissing() throws {
        #expect(try pending([]) == [1, 2])
        #expect(try pending([.init(number: 1, name: "one", checksum: "1")]) == [2])
    }

    @Test(arguments: [
        [AppliedMigration(number: 1, name: "one", checksum: "x")],
        [AppliedMigration(number: 2, name: "two", checksum: "2")],
        (1...3).map { AppliedMigration(number: $0, name: "n", checksum: "\($0)") },
    ])
    func refusesAnotherHistory(_ applied: [AppliedMigration]) {
        #expect(throws: PostgresError.self) { try pending(applied) }
    }

    @Test func refusesHolesInItsOwnList() {
        #expect(throws: PostgresError.self) {
            try MigrationPlan.pending([Migration(number: 2, name: "two", sql: "")], checksums: [""], applied: [], schema: "s")
        }
    }

    @Test func sharesTheMemoryOfItsMachine() {
        #expect(MachineMemory.limit("max\n") == nil && MachineMemory.limit("536870912\n") == 536_870_912)
        #expect(MachineMemory.sharedBuffers(of: 512 << 20) == "128MB")
        #expect(MachineMemory.sharedBuffers(of: 4 << 30) == "512MB")
        #expect(MachineMemory.sharedBuffers(of: 1 << 40) == "2048MB")
        #expect(MachineMemory.bytes > 64 << 20)
    }

    @Test(
        arguments: [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", 15), ("postgres (PostgreSQL) 17beta1", 17), ("nothing", nil),
        ] as [(String, Int?)])
    func readsTheVersionOfPostgres(_ text: String, _ version: Int?) {
        #expect(PostgresPrograms.majorVersion(text) == version)
    }
}
