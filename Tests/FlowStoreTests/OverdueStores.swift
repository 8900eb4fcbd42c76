import Postgres

@testable import FlowModel
@testable import FlowStore

/// A database of its own with two servers' stores on it, and flows with time limits: what is overdue is found in all tenants.
struct OverdueStores {
    static let document = """
        {"flow_type": "t", "on_save": "off", "phases": [{"name": "work", "limit_seconds": 600}, \
        {"name": "check", "limit_seconds": 50, "on_overdue": "report_error"}, {"name": "wait"}, {"name": "done", "terminal": true}], \
        "statuses": [{"name": "open"}, {"name": "stuck", "limit_seconds": 700}, {"name": "bad", "error": true}, \
        {"name": "closed", "next": []}], "rules": [{"rule": "type", "path": "/n", "type": "number", "depths": ["minimal", "complete"]}], \
        "repairs": [{"path": "/n", "value": 1}], "recovery": {"strategies": ["repair"], "automatic": ["error_report"]}}
        """

    let databases: [Database]
    let stores: [StateStore]
    var store: StateStore { stores[0] }

    init(_ name: String, document: String? = Self.document) async throws {
        let conninfo = try await StoreCluster.ownDatabase(name)
        databases = [try await Self.open(conninfo), try await Self.open(conninfo)]
        stores = databases.map { StateStore(database: $0, limits: Limits(), logger: StoreCluster.logger) }
        if let document { try await put(document) }
    }

    /// With few connections: other tests need them too.
    private static func open(_ conninfo: String) async throws -> Database {
        var configuration = Database.Configuration(conninfo: conninfo)
        configuration.settings = StoreSchema.sessionSettings
        configuration.backgroundSettings = StoreSchema.backgroundSettings
        (configuration.writers, configuration.readers) = (1, 1)
        let database = try Database(configuration: configuration, logger: StoreCluster.logger)
        database.start()
        _ = await database.waitUntilAvailable()
        return database
    }

    func put(_ document: String) async throws {
        _ = try await store.run(PutDefinitionCommand(tenant: "t", actor: "a", document: json(document)))
    }

    func shutdown() async { for database in databases { await database.shutdown() } }

    func save(_ flowID: String, phase: String? = nil, status: String? = nil, _ state: String = "{}") throws -> SaveCommand {
        var save = SaveCommand(key: try key("t", flowID), actor: "a", state: json(state))
        save.flowType = "t"
        (save.phase, save.status) = (phase, status)
        return save
    }

    @discardableResult
    func query(_ sql: String) async throws -> [String] {
        let statement = Postgres.Statement(name: "test \(sql.hashValue)", sql: sql, parameterTypes: [])
        return try await databases[0].writer(shard: 0).run(
            StatementList(statements: [(statement, Parameters())]) { results throws(PostgresError) in
                var lines: [String] = []
                for row in 0..<results[0].count { lines.append(try results[0].textIfPresent(row, 0) ?? "") }
                return lines
            })
    }

    /// As if the time had passed, for flows with this prefix.
    func pass(seconds: Int, _ prefix: String = "") async throws {
        let time = "interval '\(seconds) s'"
        try await query(
            """
            UPDATE flowstate.flow SET phase_due_at = phase_due_at - \(time), status_due_at = status_due_at - \(time),
                due_at = due_at - \(time), checkpoint_epoch = checkpoint_epoch + 1 WHERE starts_with(flow_id, '\(prefix)')
            """)
    }

    /// Both servers at once, in small portions.
    func sweep() async throws -> Int {
        async let one = stores[0].reportOverdue(batch: 7)
        async let other = stores[1].reportOverdue(batch: 7)
        return try await one + other
    }

    func notifications(_ flowID: String) async throws -> [String] {
        try await query("SELECT title FROM flowstate.notification WHERE flow_id = '\(flowID)' ORDER BY created_at")
    }

    /// Which of `phase_due_at`, `status_due_at` and `due_at` are set.
    func due(_ flowID: String) async throws -> String {
        try await query(
            """
            SELECT concat(CASE WHEN phase_due_at IS NOT NULL THEN 'p' END, CASE WHEN status_due_at IS NOT NULL THEN 's' END,
                CASE due_at WHEN least(phase_due_at, status_due_at) THEN '1' WHEN greatest(phase_due_at, status_due_at) THEN '2' END)
            FROM flowstate.flow WHERE flow_id = '\(flowID)'
            """
        ).first ?? ""
    }

    func overdue() async throws -> [String] {
        var filter = FlowFilter()
        filter.isOverdue = true
        return try await store.run(ListFlowsCommand(tenant: "t", filter: filter, order: .flowIDAscending, pageSize: 1000))
            .elements.map(\.head.key.flowID)
    }
}
