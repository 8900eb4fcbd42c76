import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// Figures against an oracle that counts the same rows in Swift.
struct StatisticsTests {
    private static let types = ["order", "e\u{301}", "\u{e9}", ""]
    private static let phases = ["", "cart", "paid", "sent"]

    private static func populated(seed: UInt64, flows: Int) async throws -> String {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant("statistics"))
        var random = SeededGenerator(seed: seed)
        for flow in 0..<flows {
            let key = try key(tenant, "flow \(flow)")
            let steps = Int.random(in: 1...9, using: &random)
            for step in 0..<steps {
                let text = String(repeating: "x", count: Int.random(in: 0..<400, using: &random))
                var save = SaveCommand(key: key, actor: "a", state: json("{\"n\": \(step), \"t\": \"\(text)\"}"))
                if step == 0 { save.flowType = types[Int.random(in: types.indices, using: &random)] }
                if Bool.random(using: &random) { save.phase = phases[Int.random(in: phases.indices, using: &random)] }
                save.status = ["open", "failed"][Int.random(in: 0..<2, using: &random)]
                let kinds: [VersionKind] = [.saved, .saved, .transitioned, .errorReported, .phaseCompleted, .recovered]
                save.kind = kinds[Int.random(in: kinds.indices, using: &random)]
                if step % 3 == 1 { save.checkpoint = CheckpointRequest(id: IDGenerator.next()) }
                _ = try await store.run(save)
            }
            if flow % 7 == 0 { _ = try await store.run(DeleteFlowCommand(key: key, actor: "a")) }
            if flow % 5 == 0 { try await store.pruneVersions(of: key, below: FlowVersion(steps / 2), actor: "a") }
        }
        try await spread(tenant)
        return tenant
    }

    /// Flows begin over three hours and have a version every few minutes, as if they had been saved then.
    private static func spread(_ tenant: String) async throws {
        let time = "now() - interval '3 hours' + (hashtext(flow_id) & 127) * interval '1 minute' + version * interval '400 seconds'"
        for sql in [
            "UPDATE flowstate.flow_version SET created_at = \(time) WHERE tenant = $1",
            """
            UPDATE flowstate.flow f SET created_at = v.first, updated_at = v.last FROM (
                SELECT flow_id, min(created_at) AS first, max(created_at) AS last FROM flowstate.flow_version WHERE tenant = $1 GROUP BY 1) v
            WHERE f.tenant = $1 AND f.flow_id = v.flow_id
            """,
        ] {
            _ = try await StoreCluster.sql(sql, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        }
    }

    private static func take(
        _ command: GetStatisticsCommand, _ budget: StatisticsBudget = StatisticsBudget()
    ) async throws -> FlowStatistics {
        try await StoreCluster.running().database.background.run(StatisticsOperation(command, budget: budget)).get()
    }

    @Test func figuresAreThoseOfTheOracle() async throws {
        let seed = UInt64.random(in: 1 ... .max)
        let tenant = try await Self.populated(seed: seed, flows: 60)
        let oracle = try await StatisticsOracle(tenant: tenant)
        for window in [Int64(3_600), 5_400, 86_400] {
            let found = try await Self.take(GetStatisticsCommand(tenant: tenant, windowSeconds: window))
            let note = Comment(rawValue: "seed \(seed), window \(window)")
            let since = found.since
            #expect([found.flowSample, found.storageSample, found.activitySample] == [1, 1, 1], note)
            #expect(found.flows == Int64(oracle.heads.count { !$0.isDeleted }), note)
            #expect(found.deletedFlows == Int64(oracle.heads.count { $0.isDeleted }), note)
            #expect(found.createdFlows == Int64(oracle.heads.count { $0.createdAt >= since }), note)
            #expect(found.versions == Int64(oracle.versions.count), note)
            #expect(found.stateBytes == oracle.versions.reduce(0) { $0 + $1.size }, note)
            #expect(found.storedBytes == oracle.versions.reduce(0) { $0 + $1.storedBytes }, note)
            #expect(found.activity == oracle.activity(since: since) { _ in true }, note)
            let statuses = Dictionary(grouping: oracle.heads.filter { !$0.isDeleted }, by: \.status).mapValues { Int64($0.count) }
            #expect(Dictionary(uniqueKeysWithValues: found.byStatus.map { ($0.value, $0.flows) }) == statuses, note)
            #expect(found.byType.map(\.flows) == found.byType.map(\.flows).sorted(by: >), note)
            #expect(found.byType.reduce(0) { $0 + $1.flows } == found.flows, note)
            for type in found.byType { Self.compare(type, oracle, since, note) }
        }
    }

    private static func compare(
        _ type: FlowStatistics.FlowType, _ oracle: StatisticsOracle, _ since: Timestamp, _ note: Comment
    ) {
        let isOfType = { (name: String) in name.utf8.elementsEqual(type.name.utf8) }
        let heads = oracle.heads.filter { isOfType($0.flowType) }
        #expect(type.flows == Int64(heads.count { !$0.isDeleted }), note)
        #expect(type.deletedFlows == Int64(heads.count { $0.isDeleted }), note)
        #expect(type.createdFlows == Int64(heads.count { $0.createdAt >= since }), note)
        #expect(type.activity == oracle.activity(since: since) { isOfType($0.flowType) }, note)
        for name in phases where !name.isEmpty {
            let phase = type.byPhase.first { $0.name == name } ?? FlowStatistics.Phase(name: name)
            #expect(phase.flows == Int64(heads.count { !$0.isDeleted && $0.phase == name }), note)
            #expect(phase.activity == oracle.activity(since: since) { isOfType($0.flowType) && $0.phase == name }, note)
            let stays = oracle.stays(since: since, flowType: type.name, phase: name)
            #expect(phase.entries == stays.entries && phase.exits == stays.exits, note)
            #expect((phase.time == nil) == stays.times.isEmpty, note)
            guard let time = phase.time, !stays.times.isEmpty else { continue }
            for (found, share) in [(time.p50, 0.5), (time.p95, 0.95), (time.p99, 0.99)] {
                #expect(abs(found - StatisticsOracle.percentile(share, of: stays.times)) < 1e-5, note)
            }
        }
    }

    @Test func oneTypeIsThatPartOfAll() async throws {
        let tenant = try await Self.populated(seed: 7, flows: 40)
        let all = try await Self.take(GetStatisticsCommand(tenant: tenant))
        var (versions, checkpoints, storedBytes) = (Int64(0), Int64(0), Int64(0))
        for type in all.byType where !type.name.isEmpty {
            let one = try await Self.take(GetStatisticsCommand(tenant: tenant, flowType: type.name))
            #expect(one.byType == [type] && one.activity == type.activity && one.flows == type.flows)
            versions += one.versions
            checkpoints += one.checkpoints
            storedBytes += one.storedBytes
        }
        // Flows without a type are no type that could be asked for.
        #expect(versions < all.versions && versions > all.versions / 2)
        #expect(checkpoints <= all.checkpoints && checkpoints > 0)
        #expect(storedBytes < all.storedBytes)
        let nothing = try await Self.take(GetStatisticsCommand(tenant: freshTenant()))
        #expect(nothing.flows == 0 && nothing.versions == 0 && nothing.byType.isEmpty && nothing.activity == FlowStatistics.Activity())
    }

    /// With a budget of a few hundred rows the figures are about what they are without.
    @Test func largeTenantsAreSampled() async throws {
        let tenant = freshTenant()
        for sql in [
            """
            INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
            SELECT $1, 'flow ' || n, 2, 'type ' || n % 2, 'two', 'open', '{}', now() - interval '10 minutes', now() FROM generate_series(1, 4000) n
            """,
            """
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, size, created_at, kind, codec, digest, actor, content_type,
                phase, status, state)
            SELECT $1, 'flow ' || n, v, 1000, now() - (2 - v) * interval '10 minutes', CASE v WHEN 1 THEN 1 ELSE 6 END, 0, '', '', '',
                CASE v WHEN 1 THEN 'one' ELSE 'two' END, 'open', convert_to(repeat('x', 500), 'UTF8')
            FROM generate_series(1, 4000) n, generate_series(1, 2) v
            """, "ANALYZE flowstate.flow",
        ] {
            let types: [OID] = sql.contains("$1") ? [.text] : []
            _ = try await StoreCluster.sql(
                sql, types, { if !types.isEmpty { $0.append(tenant) } }, read: { rows throws(PostgresError) in rows.affectedRows })
        }
        var budget = StatisticsBudget()
        budget.sizedVersions = 1_000
        budget.sampledVersions = 3_000
        budget.activeVersions = 2_000
        let versions = try await Self.take(GetStatisticsCommand(tenant: tenant), budget)
        #expect(versions.flowSample == 1 && versions.storageSample < 1 && versions.activitySample == 0.25)
        #expect(versions.flows == 4_000 && versions.versions == 8_000, "these are known without looking at versions")
        #expect(versions.stateBytes == 8_000_000 && versions.storedBytes == 4_000_000, "all versions are of one size")
        #expect(abs(versions.activity.versions - 8_000) < 800, "\(versions.activity)")
        let phase = try #require(versions.byType.first?.byPhase.first { $0.name == "one" })
        #expect(abs(phase.exits - 2_000) < 400 && phase.time == FlowStatistics.TimeInPhase(p50: 600, p95: 600, p99: 600), "\(phase)")

        budget.smallTenant = 100
        budget.activeVersions = 500
        budget.countedRows = try await StoreCluster.sql(
            "SELECT reltuples::bigint / 2 FROM pg_class WHERE oid = 'flowstate.flow'::regclass",
            read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        let heads = try await Self.take(GetStatisticsCommand(tenant: tenant, flowType: "type 1"), budget)
        #expect(heads.flowSample < 1 && heads.activitySample < 0.5)
        #expect(abs(heads.flows - 2_000) < 1_000, "\(heads.flows), of pages that hold dozens of flows each")
        #expect(abs(heads.activity.versions - 4_000) < 2_000, "\(heads.activity)")
    }

    /// What is asked for again within a minute is not taken again, and together once.
    @Test func figuresAreKept() async throws {
        let running = try await StoreCluster.running()
        let (store, tenant) = (StateStore(database: running.database, limits: .defaults, logger: StoreCluster.logger), freshTenant())
        let command = GetStatisticsCommand(tenant: tenant)
        let times = try await withThrowingTaskGroup(of: Timestamp.self) { group in
            for _ in 0..<50 { group.addTask { try await store.run(command).time } }
            return try await group.reduce(into: Set<Timestamp>()) { $0.insert($1) }
        }
        #expect(times.count == 1)
        _ = try await store.run(SaveCommand(key: key(tenant, "f"), actor: "a", state: json("{}")))
        #expect(try await store.run(command).flows == 0)
        #expect(try await store.run(GetStatisticsCommand(tenant: tenant, windowSeconds: 60)).flows == 1, "these are others")

        var limits = Limits()
        limits.statisticsAgeMilliseconds = 1
        let other = StateStore(database: running.database, limits: limits, logger: StoreCluster.logger)
        _ = try await other.run(command)
        _ = try await other.run(SaveCommand(key: key(tenant, "g"), actor: "a", state: json("{}")))
        #expect(try await other.run(command).flows == 2)
    }

    @Test(arguments: [0, 59, 31 * 86_400 + 1, .max, .min])
    func windowsHaveBounds(seconds: Int64) async throws {
        let store = try await StoreCluster.store()
        let error = await refusal { try await store.run(GetStatisticsCommand(tenant: "t", windowSeconds: seconds)) }
        #expect(error?.reason == "INVALID_REQUEST")
    }
}
