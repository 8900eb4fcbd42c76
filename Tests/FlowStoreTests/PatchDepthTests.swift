import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// How deep chains of patches are made: as far as every server on the database can read them.
struct PatchDepthTests {
    private func depth(_ database: Database, limit: Int = Limits().patchDepth) async throws -> (before: Int, after: Int) {
        var limits = Limits()
        limits.patchDepth = limit
        let store = StateStore(database: database, limits: limits, logger: StoreCluster.logger)
        let before = store.resources.patchDepth.current
        try await store.readPatchDepth()
        return (before, store.resources.patchDepth.current)
    }

    @Test func aNewDatabaseHasTheDeepest() async throws {
        let database = try await StoreCluster.running().database
        #expect(try await depth(database) == (before: 2, after: 3))
        #expect(try await depth(database, limit: 2) == (before: 2, after: 2))
        #expect(try await depth(database, limit: 1) == (before: 1, after: 1))
    }

    /// Servers of release 0.1.0 may still run beside the one that migrates.
    @Test(arguments: [false, true]) func aDatabaseWithFlowsKeepsToWhatItHas(deleted: Bool) async throws {
        let old = StoreSchema.migrations.filter { $0.number < 16 }
        let conninfo = try await StoreCluster.ownDatabase("with_flows_\(deleted)", old)
        let database = try await StoreCluster.open(conninfo)
        let store = StateStore(database: database, limits: .defaults, logger: StoreCluster.logger)
        let key = try key("t", "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{}")))
        if deleted { _ = try await store.run(DeleteFlowCommand(key: key, actor: "a")) }
        await #expect(throws: (any Error).self, "it does not know of it yet") { try await store.readPatchDepth() }

        try await StoreCluster.migrate(conninfo)
        #expect(try await depth(database).after == 2)
        let raised = StatementList(
            statements: [(Statement(name: "raise", sql: "UPDATE flowstate.storage SET patch_depth = 3", parameterTypes: []), Parameters())]
        ) { results throws(PostgresError) in results.count }
        _ = try await database.writer(shard: 0).run(raised)
        #expect(try await depth(database).after == 3)
        await database.shutdown()
    }
}
