import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// What PostgreSQL does not do for one flow keeps no other from being cleaned up. In databases of their own, since triggers lock tables.
@Suite(.serialized) struct CleanupRefusalTests {
    private struct Server {
        let store: StateStore
        let database: Database
        let tenant = "t"

        static func start(_ name: String) async throws -> Server {
            let database = try await StoreCluster.open(try await StoreCluster.ownDatabase(name))
            let server = Server(store: StateStore(database: database, limits: .defaults, logger: StoreCluster.logger), database: database)
            let document = "{\"flow_type\": \"kept\", \"on_save\": \"off\", \"phases\": [], \"retention\": {\"versions\": 2}}"
            _ = try await server.store.run(PutDefinitionCommand(tenant: server.tenant, actor: "a", document: json(document)))
            return server
        }

        func fill(versions: Int) async throws {
            for flow in ["a", "b", "c"] {
                for turn in 0..<versions {
                    var save = SaveCommand(key: try key(tenant, flow), actor: "a", state: json("[\(turn)]"))
                    save.flowType = "kept"
                    _ = try await store.run(save)
                }
            }
        }

        func execute(_ statements: String...) async throws {
            for sql in statements {
                let statement = Postgres.Statement(name: "test \(sql.hashValue)", sql: sql, parameterTypes: [])
                _ = try await database.writer(shard: 0).run(StatementList(statements: [(statement, Parameters())]) { $0.count })
            }
        }

        /// While it removes versions of flow b PostgreSQL does this.
        func interfere(_ body: String) async throws {
            try await execute(
                "CREATE OR REPLACE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \(body) RETURN old; END $$",
                """
                CREATE TRIGGER interfere BEFORE DELETE ON flowstate.flow_version FOR EACH ROW
                    WHEN (old.flow_id = 'b') EXECUTE FUNCTION interfere()
                """)
        }

        func stopInterfering() async throws { try await execute("DROP TRIGGER interfere ON flowstate.flow_version") }

        func clean() async throws -> CleanupCounts { try await store.run(CleanupCommand(actor: "cleaner")).counts }

        func versions(_ flow: String) async throws -> Int {
            try await store.run(ListVersionsCommand(key: try key(tenant, flow), pageSize: 100)).elements.count
        }
    }

    /// A time-out, a lock, limits, a full disk, and what nobody has thought of.
    @Test func whatPostgreSQLRefusesIsPassedOver() async throws {
        let server = try await Server.start("cleanup_refused")
        for state in ["57014", "55P03", "54000", "53100", "53400", "P0001"] {
            try await server.fill(versions: 6)
            try await server.interfere("RAISE EXCEPTION 'refused by the test' USING errcode = '\(state)';")
            let counts = try await server.clean()
            #expect(counts.skipped == 1 && counts.versions >= 8, "\(state): \(counts)")
            #expect(try await server.versions("b") >= 6, "\(state)")
            for flow in ["a", "c"] { #expect(try await server.versions(flow) == 2, "\(state)") }
            try await server.stopInterfering()
            #expect(try await server.clean().skipped == 0)
            #expect(try await server.versions("b") == 2, "\(state)")
        }
        await server.database.shutdown()
    }

    @Test func aDeletedFlowIsPassedOverToo() async throws {
        let server = try await Server.start("cleanup_deleted")
        try await server.fill(versions: 3)
        for flow in ["a", "b", "c"] { _ = try await server.store.run(DeleteFlowCommand(key: try key(server.tenant, flow), actor: "a")) }
        try await server.execute("UPDATE flowstate.flow SET deleted_at = deleted_at - interval '73 hours'")
        try await server.interfere("RAISE EXCEPTION 'refused by the test' USING errcode = '57014';")
        let counts = try await server.clean()
        #expect(counts.flows == 2 && counts.skipped == 1)
        try await server.stopInterfering()
        #expect(try await server.clean().flows == 1)
        await server.database.shutdown()
    }

    /// The connection is lost at one flow, and comes back.
    @Test func aLostConnectionCostsOneFlow() async throws {
        let server = try await Server.start("cleanup_lost")
        try await server.fill(versions: 6)
        try await server.interfere("PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);")
        let counts = try await server.clean()
        #expect(counts.skipped == 1 && counts.versions == 8)
        try await server.stopInterfering()
        #expect(try await server.clean().versions == 4)
        await server.database.shutdown()
    }
}
