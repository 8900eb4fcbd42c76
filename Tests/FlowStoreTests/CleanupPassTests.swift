import FlowModel
import JSON
import Postgres
import Testing

@testable import FlowStore

/// How a clean-up gets through everything: past what is wrong, within its bound, and on from where it stopped.
extension RetentionTests {
    private func fill(_ store: StateStore, _ tenant: String, _ flows: [String], versions: Int) async throws {
        for flow in flows { for turn in 0..<versions { try await save(store, try key(tenant, flow), "[\(turn)]") } }
    }

    private func execute(_ sql: String) async throws {
        for statement in sql.split(separator: ";\n") {
            _ = try await StoreCluster.sql(String(statement), read: { rows throws(PostgresError) in rows.affectedRows })
        }
    }

    @Test func aDamagedFlowIsCounted() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        try await define(store, tenant, "{\"versions\": 2}")
        let text = String(repeating: "the same words again and again ", count: 40)
        for turn in 0..<6 { try await save(store, try key(tenant, "a"), "{\"turn\": \(turn), \"text\": \"\(text)\"}") }
        try await fill(store, tenant, ["b"], versions: 3)
        try await execute(
            """
            UPDATE flowstate.flow_version SET digest = decode(repeat('00', 16), 'hex')
            WHERE tenant = '\(tenant)' AND flow_id = 'a' AND version = 5
            """
        )
        #expect(try await clean(store, tenant).counts.skipped == 1)
        #expect(try await rows(try key(tenant, "b")).count == 2)
    }

    @Test func leasedFlowsAreLeftAlone() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        try await define(store, tenant, "{\"versions\": 2}")
        try await fill(store, tenant, ["a", "b"], versions: 5)
        let lease = try await store.run(AcquireLeaseCommand(key: try key(tenant, "a"), actor: "a", holder: "worker"))
        #expect(try await clean(store, tenant).counts.versions == 3)
        #expect(try await rows(try key(tenant, "a")).count == 5)
        try await store.run(ReleaseLeaseCommand(key: try key(tenant, "a"), actor: "a", token: lease.token))
        #expect(try await clean(store, tenant).counts.versions == 3)
        #expect(try await rows(try key(tenant, "a")).count == 2)
    }

    /// However small the bound, it is kept, and the next clean-up goes on.
    @Test(arguments: [1, 2, 3, 7, 1_000] as [Int64]) func theBoundIsExact(maximumRows: Int64) async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        try await define(store, tenant, "{\"versions\": 1, \"checkpoints\": 1, \"ended_hours\": 1}")
        for flow in ["a", "b", "deleted"] {
            for turn in 0..<4 { try await save(store, try key(tenant, flow), "{\"phase\": \"work\"}", checkpoint: "\(turn)") }
            try await save(store, try key(tenant, flow), "{\"phase\": \"work\"}")
        }
        for flow in ["c", "d"] { try await save(store, try key(tenant, flow), "{\"phase\": \"end\"}") }
        _ = try await store.run(DeleteFlowCommand(key: try key(tenant, "deleted"), actor: "a"))
        try await execute(
            """
            UPDATE flowstate.flow SET deleted_at = deleted_at - interval '73 hours' WHERE tenant = '\(tenant)';
            UPDATE flowstate.flow SET updated_at = updated_at - interval '2 hours' WHERE tenant = '\(tenant)' AND flow_id IN ('c', 'd')
            """)
        let planned = try await clean(store, tenant, dryRun: true).counts
        #expect(try await clean(store, tenant, dryRun: true, maximumRows: maximumRows).counts.rows <= maximumRows)
        var (total, cursor, calls) = (CleanupCounts(), PageToken?.none, 0)
        repeat {
            let before = try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1", tenant)
            let command = CleanupCommand(tenant: tenant, maximumRows: maximumRows, cursor: cursor, actor: "cleaner")
            let result = try await store.run(command)
            let after = try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1", tenant)
            #expect(result.counts.rows <= maximumRows && result.isIncomplete == (result.next != nil))
            #expect(before - after == result.counts.versions - result.counts.endedFlows, "tombstones are versions")
            total.versions += result.counts.versions
            total.checkpoints += result.counts.checkpoints
            total.endedFlows += result.counts.endedFlows
            total.flows += result.counts.flows
            (cursor, calls) = (result.next, calls + 1)
        } while cursor != nil && calls < 100
        #expect(total.versions == planned.versions && total.checkpoints == planned.checkpoints)
        #expect(total.endedFlows == 2 && total.flows == 1 && cursor == nil)
    }

    @Test func aCursorIsGoodForItsCleanUpOnly() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        try await define(store, tenant, "{\"versions\": 1}")
        try await fill(store, tenant, ["a", "b"], versions: 3)
        let cursor = try #require(try await clean(store, tenant, maximumRows: 1).next)
        for command in [
            CleanupCommand(cursor: cursor, actor: "a"), CleanupCommand(tenant: tenant, flowType: "kept", cursor: cursor, actor: "a"),
            CleanupCommand(tenant: tenant, cursor: PageToken(text: "x"), actor: "a"),
        ] {
            guard case .invalidArgument(field: "cursor", _) = await refusal({ try await store.run(command) }) else {
                Issue.record("\(command) was taken")
                continue
            }
        }
    }

    private func place() async throws -> CleanupPlace? {
        try await StoreCluster.sql("SELECT tenant, flow_id FROM flowstate.cleanup_run") { rows throws(PostgresError) in
            rows.count == 0 ? nil : CleanupPlace(tenant: try rows.text(0, 0), flowID: try rows.text(0, 1))
        }
    }

    /// As servers leave it: stopped in order, or gone.
    @Test(arguments: [true, false]) func theNextPassGoesOnWhereTheLastStopped(hasEnded: Bool) async throws {
        let database = try await StoreCluster.running().database
        var settings = CleanupSettings()
        settings.intervalSeconds = 0
        let store = StateStore(database: database, limits: .defaults, cleanup: settings, logger: StoreCluster.logger)
        let tenants = [freshTenant(), freshTenant()].sorted()
        for tenant in tenants {
            try await define(store, tenant, "{\"versions\": 1}")
            try await fill(store, tenant, ["a", "b", "c"], versions: 3)
        }
        try await execute(
            """
            DELETE FROM flowstate.cleanup_run;
            INSERT INTO flowstate.cleanup_run (id, holder, claimed_until, started_at, finished_at, tenant, flow_id, counts)
            VALUES (1, 'gone', now() - interval '1 s', now() - interval '1 s', \(hasEnded ? "now() - interval '1 s'" : "NULL"),
                '\(tenants[1])', 'b', '{0,0,0,0,0,0,0,0}')
            """)
        #expect(try await store.cleanUpIfDue(holder: "here") != nil)
        var left: [Int] = []
        for tenant in tenants { for flow in ["a", "b", "c"] { left.append(try await rows(try key(tenant, flow)).count) } }
        #expect(left == [3, 3, 3, 3, 3, 1], "it began behind the flow that was looked at")
        #expect(try await place() == .start)
        #expect(try await store.cleanUpIfDue(holder: "here") != nil)
        left = []
        for tenant in tenants { for flow in ["a", "b", "c"] { left.append(try await rows(try key(tenant, flow)).count) } }
        #expect(left == [1, 1, 1, 1, 1, 1])
    }

    /// A pass that is told to stop says how far it has come, and lets another go on at once.
    @Test func aPassThatIsStoppedTellsWhere() async throws {
        let database = try await StoreCluster.running().database
        var settings = CleanupSettings()
        settings.intervalSeconds = 0
        let store = StateStore(database: database, limits: .defaults, cleanup: settings, logger: StoreCluster.logger)
        let tenant = freshTenant()
        try await define(store, tenant, "{\"versions\": 1}")
        let flows = (100..<160).map { "f\($0)" }
        try await fill(store, tenant, flows, versions: 2)
        try await execute("DELETE FROM flowstate.cleanup_run")
        let pass = Task { try await store.cleanUpIfDue(holder: "here") }
        while try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1", tenant) > 115 { await Task.yield() }
        pass.cancel()
        _ = try? await pass.value
        let place = try await place()
        #expect(place?.tenant == tenant || place == .start)
        #expect(try await store.cleanUpIfDue(holder: "there") != nil)
        #expect(try await store.cleanUpIfDue(holder: "there") != nil, "what was being looked at has its turn, too")
        #expect(try await number("SELECT count(*) FROM flowstate.flow_version WHERE tenant = $1", tenant) == 60)
    }

    @Test func portionsHaveTheirBound() {
        let flows = [3, 4, 3, 0, 20, 1, .max, 9, 1].enumerated().map { CleanupPortion.Flow(id: "\($0)", versions: $1) }
        let portions = CleanupPortion.portions(flows, most: 10).map { $0.map(\.versions) }
        #expect(portions == [[3, 4, 3], [0], [20], [1], [.max], [9, 1]])
        #expect(CleanupPortion.portions([], most: 10).isEmpty)
    }
}
