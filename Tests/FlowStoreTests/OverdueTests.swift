import Postgres
import Resources
import Testing

@testable import FlowModel
@testable import FlowStore

/// Flows that stay in a phase or a status for longer than they may are reported once, whoever looks.
@Suite(.serialized) struct OverdueTests {
    @Test func eachIsNotifiedOfOnce() async throws {
        let stores = try await OverdueStores("overdue_notified")
        for number in 0..<60 { _ = try await stores.store.run(stores.save("f\(number)", phase: "work")) }
        for number in 0..<10 { _ = try await stores.store.run(stores.save("w\(number)", phase: "wait")) }
        #expect(try await stores.sweep() == 0)
        #expect(try await stores.overdue() == [])
        try await stores.pass(seconds: 600, "f")
        #expect(try await stores.overdue().count == 60)
        #expect(try await stores.sweep() == 60)
        #expect(try await stores.sweep() == 0)
        let told = try await stores.query(
            "SELECT count(*) || ' of ' || count(DISTINCT flow_id) || ' at ' || max(version) FROM flowstate.notification")
        #expect(told == ["60 of 60 at 1"])
        #expect(try await stores.due("f1") == "p", "it stays overdue")
        #expect(try await stores.overdue().count == 60)
        // It has moved on, and is due anew.
        _ = try await stores.store.run(stores.save("f1", phase: "check"))
        #expect(try await stores.due("f1") == "p1")
        #expect(try await stores.overdue().count == 59)
        await stores.shutdown()
    }

    @Test func anErrorReportIsMadeOnce() async throws {
        let stores = try await OverdueStores("overdue_reported")
        for number in 0..<40 { _ = try await stores.store.run(stores.save("f\(number)", phase: "check", #"{"n": 1}"#)) }
        _ = try await stores.store.run(AcquireLeaseCommand(key: try key("t", "f0"), actor: "a", holder: "h", ttlMilliseconds: 60_000))
        try await stores.pass(seconds: 50)
        #expect(try await stores.sweep() == 40, "a lease does not hold it up")
        #expect(try await stores.sweep() == 0)
        let versions = try await stores.query(
            "SELECT string_agg(DISTINCT concat(version, status, actor, kind), ' ') FROM flowstate.flow_version WHERE version > 1")
        #expect(versions == ["2badflowstate8"])
        #expect(try await stores.notifications("f1") == [#"flow "f1" has status "bad": an error in phase "check""#])
        #expect(try await stores.due("f1") == "p")
        #expect(try await stores.store.snapshot(key("t", "f1")).version.metadata.contains(subsequence: "overdue since"))
        await stores.shutdown()
    }

    /// The recovery is a commit of its own; the report follows it.
    @Test func recoveryByPolicyComesFirst() async throws {
        let stores = try await OverdueStores("overdue_recovered")
        _ = try await stores.store.run(stores.save("f", phase: "check", #"{"n": "broken"}"#))
        try await stores.pass(seconds: 60)
        #expect(try await stores.sweep() == 1)
        let kinds = try await stores.query("SELECT kind::text FROM flowstate.flow_version WHERE flow_id = 'f' ORDER BY version")
        #expect(kinds == ["1", "9", "8"])
        #expect(String(decoding: try await stores.store.snapshot(key("t", "f")).state, as: UTF8.self) == #"{"n":1}"#)
        #expect(try await stores.notifications("f").count == 2)
        await stores.shutdown()
    }

    @Test func aDamagedFlowIsReportedToo() async throws {
        let stores = try await OverdueStores("overdue_damaged")
        _ = try await stores.store.run(stores.save("f", phase: "check", #"{"n": 1}"#))
        try await stores.query("UPDATE flowstate.flow_version SET state = 'x', codec = 0 WHERE flow_id = 'f'")
        try await stores.pass(seconds: 60)
        #expect(try await stores.stores[1].reportOverdue() == 1)
        #expect(try await stores.query("SELECT kind || status FROM flowstate.flow_version WHERE version = 2") == ["8failed"])
        #expect(try await stores.due("f") == "p")
        #expect(try await stores.sweep() == 0)
        await stores.shutdown()
    }

    @Test func bothLimitsAreReportedEachInItsTime() async throws {
        let stores = try await OverdueStores("overdue_both")
        for id in ["a", "b", "c"] { _ = try await stores.store.run(stores.save(id, phase: "work", status: "stuck")) }
        #expect(try await stores.due("a") == "ps1")
        try await stores.pass(seconds: 650)
        #expect(try await stores.sweep() == 3)
        #expect(try await stores.due("a") == "ps2", "that of the status is to come")
        // The one that was reported does not come again, when the other begins anew or ends.
        _ = try await stores.store.run(stores.save("b", status: "open"))
        #expect(try await stores.due("b") == "p")
        _ = try await stores.store.run(stores.save("c", phase: "check"))
        #expect(try await stores.due("c") == "ps1")
        try await stores.pass(seconds: 60)
        #expect(try await stores.sweep() == 2)
        #expect(try await stores.notifications("a").count == 2)
        #expect(try await stores.notifications("b").count == 1)
        #expect(try await stores.query("SELECT status FROM flowstate.flow WHERE flow_id = 'c'") == ["bad"])
        await stores.shutdown()
    }

    @Test func whatMovedOnSinceItWasFoundIsNotReported() async throws {
        let stores = try await OverdueStores("overdue_moved")
        let ids = ["left", "back", "status", "deleted", "told"]
        for phase in ["work", "check"] {
            for id in ids { _ = try await stores.store.run(stores.save(phase + id, phase: phase, #"{"n": 1}"#)) }
        }
        try await stores.pass(seconds: 1000)
        let found = try await stores.store.rowsInBackground(OverdueSQL.found, OverdueSQL.parameters(limit: 100, after: nil)) {
            rows, row throws(PostgresError) in try OverdueSQL.flow(rows, row)
        }
        #expect(found.count == 10)
        for phase in ["work", "check"] {
            for next in ["wait", phase] { _ = try await stores.store.run(stores.save("\(phase)back", phase: next)) }
            _ = try await stores.store.run(stores.save("\(phase)left", phase: "wait"))
            _ = try await stores.store.run(stores.save("\(phase)status", status: "closed"))
            _ = try await stores.store.run(DeleteFlowCommand(key: try key("t", "\(phase)deleted"), actor: "a"))
            let told = try #require(found.first { $0.key.flowID == "\(phase)told" })
            #expect(try await stores.stores[1].act(on: told))
        }
        for flow in found {
            var isReported = false
            switch await refusal({ isReported = try await stores.store.act(on: flow) }) {
            case nil, .versionConflict, .flowNotFound: #expect(!isReported, "\(flow.key.flowID)")
            case let error?: Issue.record("\(flow.key.flowID): \(error)")
            }
        }
        #expect(try await stores.sweep() == 0)
        #expect(try await stores.query("SELECT DISTINCT flow_id FROM flowstate.notification ORDER BY 1") == ["checktold", "worktold"])
        #expect(try await stores.query("SELECT flow_id FROM flowstate.flow_version WHERE kind = 8") == ["checktold"])
        await stores.shutdown()
    }

    /// The definition at the time of the report says whether and how.
    @Test func limitsThatAreLiftedAreForgotten() async throws {
        let stores = try await OverdueStores("overdue_lifted", document: nil)
        // Flows that are older than the first definition follow the latest.
        _ = try await stores.store.run(stores.save("f"))
        try await stores.put(OverdueStores.document)
        for store in stores.stores { store.resources.directory.invalidate("t") }
        _ = try await stores.store.run(stores.save("f", phase: "work", status: "stuck"))
        #expect(try await stores.due("f") == "ps1")
        try await stores.put(OverdueStores.document.replacing(#", "limit_seconds": 600"#, with: ""))
        try await stores.pass(seconds: 650)
        #expect(try await stores.sweep() == 0)
        #expect(try await stores.due("f") == "s1")
        #expect(try await stores.store.snapshot(key("t", "f")).head.phaseDueAt == nil)
        try await stores.pass(seconds: 100)
        #expect(try await stores.sweep() == 1)
        await stores.shutdown()
    }

    /// Saves that stay in their phase change no index, whether or not the phase has a limit.
    @Test func savesThatStayLeaveIndexesAlone() async throws {
        var hot: [Int64] = []
        for limits in [nil, EnteredLimits(phase: 60)] {
            let stores = try await OverdueStores("overdue_hot_\(hot.count)", document: nil)
            for round in 0..<100 {
                for flow in 0..<4 {
                    var save = try stores.save("\(flow)", phase: "work", "\(round)")
                    save.timeLimits = limits
                    _ = try await stores.store.run(save)
                }
            }
            let due = try await stores.query("SELECT count(*)::text FROM flowstate.flow WHERE due_at = created_at + interval '60 s'")
            #expect(due == [limits == nil ? "0" : "4"])
            await stores.databases[0].shutdown()
            hot.append(try await hotUpdates(stores.databases[1], of: 4 * 99))
            await stores.databases[1].shutdown()
        }
        // So few flows have room in their page.
        #expect(hot.min() ?? 0 >= 4 * 95, "\(hot[0]) without limits, \(hot[1]) with limits")
    }

    /// A session counts what it did when it ends, which takes a moment after its connection was closed.
    private func hotUpdates(_ database: Database, of all: Int64) async throws -> Int64 {
        let statement = Postgres.Statement(
            name: "hot", sql: "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'flow'", parameterTypes: [])
        let count = StatementList(statements: [(statement, Parameters())]) { results throws(PostgresError) in
            (all: try results[0].int64(0, 0), hot: try results[0].int64(0, 1))
        }
        let deadline = Instant.now + .seconds(20)
        var updates = try await database.reader.run(count)
        while updates.all < all, .now < deadline { updates = try await database.reader.run(count) }
        #expect(updates.all == all)
        return updates.hot
    }
}

extension [UInt8] {
    fileprivate func contains(subsequence text: String) -> Bool { String(decoding: self, as: UTF8.self).contains(text) }
}
