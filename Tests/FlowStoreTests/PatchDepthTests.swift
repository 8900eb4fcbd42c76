import FlowModel
import Postgres
import Resources
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

    private func execute(_ sql: String, _ database: Database) async throws {
        let script = StatementList(statements: [(Statement(name: sql, sql: sql, parameterTypes: []), Parameters())]) {
            results throws(PostgresError) in results.count
        }
        _ = try await database.writer(shard: 0).run(script)
    }

    enum Content: CaseIterable { case flow, deletedFlow, nothing }

    /// Servers of release 0.1.0 may still run beside the one that migrates.
    @Test(arguments: Content.allCases) func anOlderDatabaseKeepsToWhatItHas(content: Content) async throws {
        let old = StoreSchema.migrations.filter { $0.number < 16 }
        let conninfo = try await StoreCluster.ownDatabase("older_\(content)".lowercased(), old)
        let database = try await StoreCluster.open(conninfo)
        let store = StateStore(database: database, limits: .defaults, logger: StoreCluster.logger)
        if content != .nothing {
            // As a server of that release has written it; this one needs columns that are not there yet.
            try await execute(
                """
                INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at, deleted_at)
                VALUES ('t', 'f', 1, '', '', '', '{}', now(), now(), \(content == .deletedFlow ? "now()" : "NULL"))
                """, database)
        }
        if content == .nothing { try await execute("UPDATE flowstate.schema_migration SET applied_at = now() - interval '61 s'", database) }
        await #expect(throws: (any Error).self, "it does not know of it yet") { try await store.readPatchDepth() }

        try await StoreCluster.migrate(conninfo)
        #expect(try await depth(database).after == 2)
        try await execute("UPDATE flowstate.storage SET patch_depth = 3", database)
        #expect(try await depth(database).after == 3)
        await database.shutdown()
    }

    @Test func theOnlyServerGoesAsDeepAsItReads() async throws {
        let database = try await StoreCluster.open(try await StoreCluster.ownDatabase("only_server"))
        try await execute("UPDATE flowstate.storage SET patch_depth = 2", database)
        #expect(try await depth(database).after == 2)
        let store = StateStore(database: database, limits: .defaults, logger: StoreCluster.logger)
        try await store.readPatchDepth(isOnlyServer: true, deadline: .now + .seconds(30))
        #expect(store.resources.patchDepth.current == 3)
        #expect(try await depth(database).after == 3)
        await database.shutdown()
    }
}
