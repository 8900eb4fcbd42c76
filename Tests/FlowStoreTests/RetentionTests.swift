import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// What cleaning up removes, and what it leaves. One after the other: the clean-up that servers do by themselves knows no tenant.
@Suite(.serialized) struct RetentionTests {
    func number(_ sql: String, _ tenant: String) async throws -> Int64 {
        try await StoreCluster.sql(sql, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in try rows.int64(0, 0) })
    }

    func define(_ store: StateStore, _ tenant: String, _ retention: String) async throws {
        let document = """
            {"flow_type": "kept", "on_save": "off", "paths": {"phase": "/phase"}, "phases": [{"name": "work"}, {"name": "end", "terminal": true}],
             "retention": \(retention)}
            """
        _ = try await store.run(PutDefinitionCommand(tenant: tenant, actor: "a", document: json(document)))
    }

    func save(_ store: StateStore, _ key: FlowKey, _ state: String, checkpoint: String? = nil) async throws {
        var save = SaveCommand(key: key, actor: "a", state: json(state))
        save.flowType = "kept"
        if let checkpoint { save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: checkpoint) }
        _ = try await store.run(save)
    }

    func clean(_ store: StateStore, _ tenant: String, dryRun: Bool = false, maximumRows: Int64 = 0) async throws -> CleanupResult {
        try await store.run(CleanupCommand(tenant: tenant, isDryRun: dryRun, maximumRows: maximumRows, actor: "cleaner"))
    }

    struct Row: Sendable {
        var version: Int64
        var bytes: Int64
        var hours: Double
        var checkpoint: Int64
    }

    /// The versions of a flow, newest first, with how many checkpoints are newer than the newest one of each.
    func rows(_ key: FlowKey) async throws -> [Row] {
        try await StoreCluster.sql(
            """
            SELECT v.version, octet_length(v.state)::int8, extract(epoch FROM statement_timestamp() - v.created_at)::float8 / 3600,
                coalesce((SELECT min(c.place) FROM (SELECT c.version, row_number() OVER (ORDER BY c.checkpoint_id DESC) AS place
                    FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = $2) c WHERE c.version = v.version), 0)
            FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.flow_id = $2 ORDER BY v.version DESC
            """, [.text, .text],
            {
                $0.append(key.tenant)
                $0.append(key.flowID)
            },
            read: { rows throws(PostgresError) in
                var result: [Row] = []
                for row in 0..<rows.count {
                    result.append(
                        Row(
                            version: try rows.int64(row, 0), bytes: try rows.int64(row, 1), hours: try rows.double(row, 2),
                            checkpoint: try rows.int64(row, 3)))
                }
                return result
            })
    }

    /// The policy in plain words.
    func expected(_ rows: [Row], _ policy: RetentionPolicy) -> [Int64] {
        var (kept, total, goes) = ([Int64](), Int64(0), false)
        for (place, row) in rows.enumerated() {
            total += row.bytes
            if place > 0 {
                goes = goes || policy.versions.map { place >= $0 } ?? false
                goes = goes || policy.versionHours.map { row.hours > Double($0) } ?? false
                goes = goes || policy.versionBytes.map { total > $0 } ?? false
            }
            let isPinned = row.checkpoint > 0 && policy.checkpoints.map { row.checkpoint <= $0 } ?? true
            if !goes || isPinned { kept.append(row.version) }
        }
        return kept
    }

    /// Also when the versions of a flow are looked at in parts.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64], [100_000, 7])
    func whatStaysIsWhatThePolicySays(seed: UInt64, versionsAtOnce: Int64) async throws {
        var random = SeededGenerator(seed: seed &* 977)
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        var policy = RetentionPolicy()
        var members: [String] = []
        func draw(_ member: String, _ range: ClosedRange<Int64>, _ path: WritableKeyPath<RetentionPolicy, Int64?>) {
            guard Bool.random(using: &random) else { return }
            let value = Int64.random(in: range, using: &random)
            policy[keyPath: path] = value
            members.append("\"\(member)\": \(value)")
        }
        draw("versions", 1...20, \.versions)
        draw("version_hours", 1...30, \.versionHours)
        draw("version_bytes", 100...3_000, \.versionBytes)
        draw("checkpoints", 1...3, \.checkpoints)
        try await define(store, tenant, "{\(members.joined(separator: ", "))}")
        var states: [String: [String]] = [:]
        for flow in ["a", "b", "c"] {
            for turn in 1...Int.random(in: 1...40, using: &random) {
                let state = "{\"turn\": \(turn), \"text\": \"\(String(repeating: "\(turn) ", count: 5 * turn))\"}"
                states[flow, default: []].append(state)
                try await save(store, try key(tenant, flow), state, checkpoint: turn % 9 == 4 ? "at \(turn)" : nil)
            }
        }
        // An hour a version.
        _ = try await StoreCluster.sql(
            """
            UPDATE flowstate.flow_version v SET created_at = statement_timestamp() - interval '1 hour' * (f.version - v.version)
            FROM flowstate.flow f WHERE f.tenant = $1 AND v.tenant = f.tenant AND v.flow_id = f.flow_id
            """, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        var expected: [String: [Int64]] = [:]
        var before = 0
        for flow in states.keys {
            let rows = try await rows(try key(tenant, flow))
            before += rows.count
            expected[flow] = self.expected(rows, policy)
        }
        func pass(dryRun: Bool) async throws -> CleanupCounts {
            let command = CleanupCommand(tenant: tenant, isDryRun: dryRun, actor: "cleaner")
            var pass = CleanupPass(store: store, command: command, isOver: { false })
            (pass.versionsAtOnce, pass.rangeSize) = (versionsAtOnce, versionsAtOnce)
            return try await pass.run().counts
        }
        let planned = try await pass(dryRun: true)
        #expect(planned.versions == Int64(before - expected.values.reduce(0) { $0 + $1.count }), "seed \(seed): \(members)")
        #expect(try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1", tenant) == Int64(before), "a dry run")
        // What is stored anew may take more room, so bytes are compared with what went.
        #expect(try await pass(dryRun: false).versions == planned.versions)
        let stranger = StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
        for (flow, states) in states {
            let key = try key(tenant, flow)
            #expect(try await rows(key).map(\.version) == expected[flow], "seed \(seed): \(members), flow \(flow)")
            for version in expected[flow] ?? [] {
                #expect(try await stranger.snapshot(key, .version(version)).state == json(states[Int(version) - 1]))
            }
        }
        if policy.versionBytes == nil { #expect(try await clean(store, tenant).counts.rows == 0, "nothing is left to remove") }
    }

    @Test func itStopsWhereItIsToldToAndGoesOn() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        try await define(store, tenant, "{\"versions\": 1}")
        for flow in 0..<4 { for turn in 0..<10 { try await save(store, try key(tenant, "\(flow)"), "[\(turn)]") } }
        let first = try await clean(store, tenant, maximumRows: 10)
        #expect(first.isIncomplete && first.counts.versions == 10)
        let second = try await store.run(CleanupCommand(tenant: tenant, cursor: first.next, actor: "cleaner"))
        #expect(!second.isIncomplete && first.counts.versions + second.counts.versions == 36)
    }

    @Test func flowsThatHaveEndedAreDeletedAndTheirHistoryGoesLater() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        try await define(store, tenant, "{\"ended_hours\": 5}")
        for (flow, phase) in [("ended", "end"), ("fresh", "end"), ("working", "work")] {
            let key = try key(tenant, flow)
            try await save(store, key, "{\"phase\": \"work\"}", checkpoint: "first")
            try await save(store, key, "{\"phase\": \"\(phase)\"}")
        }
        func age(_ column: String, _ flow: String, hours: Int) async throws {
            let sql = """
                UPDATE flowstate.flow SET \(column) = \(column) - interval '\(hours) hours' WHERE tenant = $1 AND flow_id = '\(flow)'
                """
            _ = try await StoreCluster.sql(sql, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        }
        for flow in ["ended", "working"] { try await age("updated_at", flow, hours: 6) }
        #expect(try await clean(store, tenant, dryRun: true).counts.endedFlows == 1)
        #expect(try await clean(store, tenant).counts.endedFlows == 1)
        let ended = try key(tenant, "ended")
        #expect(await refusal { try await store.snapshot(ended) } == .flowNotFound(flowID: "ended", deleted: true))
        #expect(try await clean(store, tenant).counts.rows == 0, "deleted just now")
        try await age("deleted_at", "ended", hours: 73)
        let planned = try await clean(store, tenant, dryRun: true).counts
        let counts = try await clean(store, tenant).counts
        #expect(counts.flows == 0 + 1 && counts.versions == 2 && counts.checkpoints == 1 && planned.versions == 2)
        #expect(planned.checkpoints == 1 && planned.events == counts.events)
        #expect(await refusal { try await store.snapshot(ended) } == .flowNotFound(flowID: "ended", deleted: true))
        let late = SaveCommand(key: ended, actor: "a", state: json("{}"))
        #expect(await refusal { try await store.run(late) } == .flowNotFound(flowID: "ended", deleted: true), "no save brings it back")
        #expect(try await clean(store, tenant).counts.rows == 0)
        for flow in ["fresh", "working"] { #expect(try await rows(try key(tenant, flow)).count == 2) }
    }

    @Test func aDeletedFlowGoesOnGoing() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let key = try key(tenant, "f")
        for turn in 0..<2_500 { try await save(store, key, "[\(turn)]") }
        _ = try await store.run(DeleteFlowCommand(key: key, actor: "a"))
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow SET deleted_at = deleted_at - interval '73 hours' WHERE tenant = $1", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        let first = try await clean(store, tenant, maximumRows: 1)
        #expect(first.isIncomplete && first.counts.versions == 1 && first.counts.flows == 0)
        let second = try await clean(store, tenant)
        #expect(second.counts.versions == 2_499 && second.counts.flows == 1)
        #expect(try await clean(store, tenant).counts == CleanupCounts(), "it is not looked at again")
    }

    @Test func aFlowEndsByTheRevisionThatItFollows() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let phases = "\"paths\": {\"phase\": \"/phase\"}, \"phases\": [{\"name\": \"work\"}, {\"name\": \"end\", \"terminal\": true}]"
        let other = phases.replacing("\"work\"", with: "\"work\", \"terminal\": true")
        for (flow, phases) in [("old", phases), ("new", other)] {
            let document = "{\"flow_type\": \"kept\", \"on_save\": \"off\", \(phases), \"retention\": {\"ended_hours\": 1}}"
            _ = try await store.run(PutDefinitionCommand(tenant: tenant, actor: "a", document: json(document)))
            try await save(store, try key(tenant, flow), "{\"phase\": \"work\"}")
        }
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow SET updated_at = updated_at - interval '2 hours' WHERE tenant = $1", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in rows.affectedRows })
        #expect(try await clean(store, tenant).counts.endedFlows == 1)
        #expect(await refusal { try await store.snapshot(try key(tenant, "new")) } == .flowNotFound(flowID: "new", deleted: true))
        #expect(try await store.snapshot(try key(tenant, "old")).head.definitionRevision == 1)
    }

    @Test func aDefinitionThatCannotBeReadStopsNobodyElse() async throws {
        let (store, broken, other) = (try await StoreCluster.store(), freshTenant(), freshTenant())
        for tenant in [broken, other] {
            try await define(store, tenant, "{\"versions\": 1}")
            for turn in 0..<3 { try await save(store, try key(tenant, "f"), "[\(turn)]") }
        }
        _ = try await StoreCluster.sql(
            """
            INSERT INTO flowstate.definition (tenant, flow_type, revision, document, actor, created_at)
            VALUES ($1, 'of another release', 1, '{"unknown": true}', 'a', now())
            """, [.text], { $0.append(broken) }, read: { rows throws(PostgresError) in rows.affectedRows })
        _ = try await store.run(CleanupCommand(actor: "cleaner"))
        for tenant in [broken, other] { #expect(try await rows(try key(tenant, "f")).map(\.version) == [3], "of \(tenant)") }
    }

    @Test func oneServerCleansUpAtATime() async throws {
        _ = try await StoreCluster.sql("DELETE FROM flowstate.cleanup_run", read: { rows throws(PostgresError) in rows.affectedRows })
        let tenant = freshTenant()
        let database = try await StoreCluster.running().database
        let stores = (0..<4).map { _ in StateStore(database: database, limits: .defaults, logger: StoreCluster.logger) }
        try await define(stores[0], tenant, "{\"versions\": 2}")
        for turn in 0..<30 { try await save(stores[0], try key(tenant, "f"), "[\(turn)]") }
        let results = try await withThrowingTaskGroup(of: CleanupResult?.self) { group in
            for store in stores { group.addTask { try await store.cleanUpIfDue(holder: "here") } }
            var results: [CleanupResult] = []
            for try await result in group { if let result { results.append(result) } }
            return results
        }
        #expect(results.count == 1, "of four servers one")
        #expect(try await rows(try key(tenant, "f")).map(\.version) == [30, 29])
        let run = try await stores[1].run(GetCleanupRunCommand(tenant: tenant))
        #expect(run?.holder.hasPrefix("here ") == true && run?.finishedAt != nil)
        #expect(run?.counts.versions == 28 && results.first?.counts.versions ?? 0 >= 28)
        let other = try await stores[1].run(GetCleanupRunCommand(tenant: freshTenant()))
        #expect(other?.startedAt == run?.startedAt && other?.counts == CleanupCounts() && other?.flowID == "")
        #expect(try await stores[2].cleanUpIfDue(holder: "there") == nil, "not due")

        // A server that went in the middle of it.
        let gone = "UPDATE flowstate.cleanup_run SET finished_at = NULL, claimed_until = statement_timestamp() - interval '1 second'"
        _ = try await StoreCluster.sql(gone, read: { rows throws(PostgresError) in rows.affectedRows })
        #expect(try await stores[2].cleanUpIfDue(holder: "there") != nil, "another one takes over")
    }

    @Test func aDamagedVersionKeepsWhatItRefersToAndNothingElse() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        try await define(store, tenant, "{\"versions\": 2}")
        let text = String(repeating: "the same words again and again ", count: 40)
        for turn in 0..<6 { try await save(store, try key(tenant, "f"), "{\"turn\": \(turn), \"text\": \"\(text)\"}") }
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow_version SET digest = decode(repeat('00', 16), 'hex') WHERE tenant = $1 AND version = 5", [.text],
            { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        let held = try await number("SELECT base_version FROM flowstate.flow_version WHERE tenant = $1 AND version = 5", tenant)
        for turn in 0..<3 { try await save(store, try key(tenant, "g"), "[\(turn)]") }
        #expect(try await clean(store, tenant).counts.versions == 1 + 3)
        #expect(try await rows(try key(tenant, "f")).map(\.version) == [6, 5, held])
        #expect(try await rows(try key(tenant, "g")).map(\.version) == [3, 2])
        #expect(try await store.snapshot(try key(tenant, "f")).state == json("{\"turn\": 5, \"text\": \"\(text)\"}"))
    }
}
