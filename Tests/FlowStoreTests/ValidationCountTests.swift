import FlowModel
import JSON
import Postgres
import Testing

@testable import FlowStore

/// How often saves broke rules, from the save to the figures.
struct ValidationCountTests {
    private static func definition(_ type: String, onSave: String) -> [UInt8] {
        json(
            """
            {"flow_type": "\(type)", "on_save": "\(onSave)", "rules": [
              {"rule": "required", "path": "/id"}, {"rule": "type", "path": "/n", "type": "number", "name": "n is a number"},
              {"rule": "required", "path": "/odd", "name": "nul \\u0000"},
              {"rule": "deprecated", "path": "/old", "beside": "/id", "severity": "warning"}]}
            """)
    }

    private static func figures(_ store: StateStore, _ tenant: String, _ flowType: String? = nil) async throws -> [String] {
        let command = GetStatisticsCommand(tenant: tenant, flowType: flowType)
        return try await store.database.background.run(StatisticsOperation(command)).get().ruleFailures
            .map { "\($0.flowType) \($0.rule) \($0.refused) \($0.warned)" }
    }

    @Test func violationsAreCountedByRule() async throws {
        let running = try await StoreCluster.running()
        let (store, tenant) = (StateStore(database: running.database, limits: .defaults, logger: StoreCluster.logger), freshTenant())
        for (type, onSave) in [("strict", "enforce"), ("lax", "warn")] {
            _ = try await store.run(PutDefinitionCommand(tenant: tenant, actor: "a", document: Self.definition(type, onSave: onSave)))
        }
        func save(_ type: String, _ state: String) async throws -> StateError? {
            var save = SaveCommand(key: try key(tenant, "\(type) \(state)"), actor: "a", state: json(state))
            save.flowType = type
            return await refusal { try await store.run(save) }
        }
        for _ in 0..<3 { #expect(try await save("strict", #"{"n": "x", "odd": 1}"#)?.reason == "STATE_INVALID") }
        #expect(try await save("strict", #"{"id": 1, "n": 1}"#)?.reason == "STATE_INVALID")
        #expect(try await save("strict", #"{"id": 1, "n": 1, "odd": 1, "old": 1}"#) == nil)
        #expect(try await save("lax", #"{"n": 1, "odd": 1}"#) == nil)
        #expect(try await save("lax", #"{"id": 1, "n": 1, "odd": 1}"#) == nil, "nothing is wrong here")

        #expect(try await Self.figures(store, tenant) == [], "not written down yet")
        try await store.flushValidationCounts()
        try await store.flushValidationCounts()
        let expected = [
            "strict n is a number 3 0", "strict required 3 0", "lax required 0 1", "strict deprecated 0 1", "strict unnamed 1 0",
        ]
        #expect(try await Self.figures(store, tenant) == expected)
        #expect(try await Self.figures(store, tenant, "lax") == ["lax required 0 1"])

        // Another server adds its own.
        let other = StateStore(database: running.database, limits: .defaults, logger: StoreCluster.logger)
        var again = SaveCommand(key: try key(tenant, "other"), actor: "a", state: json("{}"))
        again.flowType = "lax"
        _ = try await other.run(again)
        try await other.flushValidationCounts()
        #expect(try await Self.figures(store, tenant, "lax") == ["lax required 0 2", "lax unnamed 0 1"])
    }

    @Test func countsAreKeptWhileTheDatabaseIsAway() async throws {
        let running = try await StoreCluster.running()
        let counts = ValidationCounts()
        counts.note([.init(path: "", rule: "r", message: "")], isRefused: true, flowType: "t", tenant: "x")
        let taken = counts.take()
        #expect(counts.take().isEmpty)
        counts.note([.init(path: "", rule: "r", message: "")], isRefused: true, flowType: "t", tenant: "x")
        counts.putBack(taken)
        #expect(counts.take().map(\.count.refused) == [2])

        let database = try await StoreCluster.open(running.conninfo)
        let store = StateStore(database: database, limits: .defaults, logger: StoreCluster.logger)
        store.resources.validationCounts.note([.init(path: "", rule: "r", message: "")], isRefused: false, flowType: "t", tenant: "x")
        await database.shutdown()
        let error = await refusal { try await store.flushValidationCounts() }
        #expect(error?.reason == "DATABASE_UNAVAILABLE")
        #expect(store.resources.validationCounts.take().map(\.count.warned) == [1])
    }

    @Test func keysAreBounded() {
        let counts = ValidationCounts()
        for number in 0..<10_050 {
            counts.note([.init(path: "", rule: "\(number)", message: "")], isRefused: true, flowType: "t", tenant: "x")
        }
        counts.note([.init(path: "", rule: "7", message: "")], isRefused: true, flowType: "t", tenant: "x")
        let taken = counts.take()
        #expect(taken.count == 10_000)
        #expect(taken.first { $0.key.rule == Name("7") }?.count.refused == 2, "one that is known is counted on")
    }

    @Test func oldHoursAreForgotten() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let insert = """
            INSERT INTO flowstate.validation_count
            SELECT $1, date_bin('1 hour', now() - days * interval '1 day', TIMESTAMPTZ '2000-01-01 00:00:00+00'), 't', 'r', 1, 0
            FROM unnest(ARRAY[0, 2, 30, 33]) days
            """
        _ = try await StoreCluster.sql(insert, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        try await store.purgeValidationCounts()
        let left = try await StoreCluster.sql(
            "SELECT count(*) FROM flowstate.validation_count WHERE tenant = $1", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        #expect(left == 3)
        #expect(try await Self.figures(store, tenant) == ["t r 1 0"], "of the last day")
    }
}
