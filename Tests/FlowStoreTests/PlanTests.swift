import FlowModel
import JSON
import Postgres
import Resources
import Testing

@testable import FlowStore

/// What PostgreSQL does with the statements: one row by its key, and heads that stay in their page.
@Suite(.serialized) struct PlanTests {
    private static let typeNames: [OID: String] = [
        .text: "text", .int8: "int8", .int2: "int2", .float8: "float8", .bytea: "bytea", .timestamptz: "timestamptz",
        .int4: "int4", .textArray: "text[]", .int8Array: "int8[]", .int4Array: "int4[]", .int2Array: "int2[]", .float8Array: "float8[]",
        .byteaArray: "bytea[]",
    ]

    /// The plan that is kept for a prepared statement, whatever its parameters.
    private func plan(of statement: Postgres.Statement, in database: Database? = nil) async throws -> String {
        let types = statement.parameterTypes.map { Self.typeNames[$0] ?? "unknown" }.joined(separator: ", ")
        let nulls = statement.parameterTypes.map { _ in "NULL" }.joined(separator: ", ")
        let script = [
            "SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE explained (\(types)) AS \(statement.sql)",
            "EXPLAIN (COSTS OFF) EXECUTE explained (\(nulls))", "DEALLOCATE explained",
        ].enumerated().map { number, sql in
            (Postgres.Statement(name: "plan \(statement.name) \(number)", sql: sql, parameterTypes: []), Parameters())
        }
        let database = if let database { database } else { try await StoreCluster.running().database }
        return try await database.writer(shard: 0).run(
            StatementList(statements: script) { results throws(PostgresError) in
                var lines: [String] = []
                for row in 0..<results[2].count { lines.append(try results[2].text(row, 0)) }
                return lines.joined(separator: "\n")
            })
    }

    private func populate() async throws {
        let done = try await StoreCluster.sql(
            "SELECT count(*) FROM flowstate.flow WHERE tenant = 'plans'", read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        if done > 0 { return }
        for sql in [
            """
            INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
            SELECT 'plans', 'flow ' || n, 3, '', '', 'running', '{}', now() - n * interval '1 minute', now() - n * interval '1 minute'
            FROM generate_series(1, 20000) n
            """,
            """
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, size, created_at, kind, codec, digest, actor, content_type,
                phase, status, state)
            SELECT 'plans', 'flow ' || n, v, 1, now() - n * interval '1 minute' - (3 - v) * interval '1 second', 2, 0, '', '', '', '', '', 'x'
            FROM generate_series(1, 20000) n, generate_series(1, 3) v
            """,
            "ANALYZE flowstate.flow", "ANALYZE flowstate.flow_version", "ANALYZE flowstate.checkpoint", "ANALYZE flowstate.idempotency",
        ] {
            _ = try await StoreCluster.sql(sql, read: { rows throws(PostgresError) in rows.affectedRows })
        }
    }

    /// Everything that a save or a load by its key runs.
    private var keyed: [Postgres.Statement] {
        var statements = [LoadSQL.latest, LoadSQL.check, LoadSQL.newest, LoadSQL.version, LoadSQL.label, LoadSQL.time, LoadSQL.checkpoint]
        for head in SaveSQL.Head.allCases {
            for (idempotent, checkpoint) in [(false, false), (true, false), (true, true)] {
                for writes in [false, true] {
                    statements.append(SaveSQL.statement(head, idempotent: idempotent, checkpoint: checkpoint, writes: writes))
                }
            }
        }
        statements.append(SaveSQL.short)
        for idempotent in [false, true] {
            for (quarantines, notifies) in [(true, true), (false, true), (true, false)] {
                for held in [false, true] {
                    statements.append(SaveSQL.noting(held: held, idempotent: idempotent, quarantines: quarantines, notifies: notifies))
                }
            }
        }
        for lease in [LeaseSQL.acquire, LeaseSQL.renew, LeaseSQL.release] { statements += [lease.first, lease.held] }
        statements += [DeleteVersionsSQL.tagged, DeleteVersionsSQL.allBut]
        for history in [false, true] { statements.append(ForkSQL.statement(withHistory: history, idempotent: true)) }
        statements += [LeaseSQL.get, AppendWritesCommand.statement, DeleteWritesCommand.ofVersion, DeleteWritesCommand.ofFlow]
        return statements + SaveGroupSQL.all.map { $0.statement } + [CheckpointGroupSQL.statement]
    }

    @Test func savesAndLoadsGoByTheirKeys() async throws {
        try await populate()
        for statement in keyed {
            let plan = try await plan(of: statement)
            for table in ["flow", "flow_version"] {
                #expect(!plan.contains("Seq Scan on \(table) "), "\(statement.name):\n\(plan)")
            }
            #expect(!plan.contains("Hash") && !plan.contains("Merge"), "\(statement.name):\n\(plan)")
            #expect(plan.contains("flow_pkey"), "\(statement.name):\n\(plan)")
        }
    }

    @Test func versionsAreReadInTheirOrder() async throws {
        try await populate()
        for newestOfLabel in [false, true] {
            for order in VersionOrder.allCases {
                let statement = ListVersionsSQL.statement(order, newestOfLabel: newestOfLabel)
                let plan = try await plan(of: statement)
                let index = order == .labelDescending ? "flow_version_label" : "flow_version_pkey"
                let scan = order == .oldestFirst ? "Index Scan using" : "Index Scan Backward using"
                #expect(plan.contains("\(scan) \(index) on flow_version"), "\(statement.name):\n\(plan)")
                #expect(!plan.contains("Seq Scan"), "\(statement.name):\n\(plan)")
            }
            let ofFlows = try await plan(of: ListVersionsSQL.ofFlows(newestOfLabel: newestOfLabel))
            #expect(ofFlows.contains("Bitmap Index Scan on flow_tenant_labels"), "\(ofFlows)")
            #expect(ofFlows.contains("Index Scan Backward using flow_version_label"), "\(ofFlows)")
        }
        let tagged = try await plan(of: FlowsByLabel.idsOfTagged)
        #expect(tagged.contains("Bitmap Index Scan on flow_version_tags"), "\(tagged)")
        for statement in [ListVersionsSQL.ancestors, LoadSQL.greatestLabel] {
            let plan = try await plan(of: statement)
            #expect(!plan.contains("Seq Scan"), "\(statement.name):\n\(plan)")
        }
    }

    @Test func writesAreReadInTheirOrder() async throws {
        try await populate()
        for statement in [LoadWritesSQL.few, ListWritesCommand.ofVersion, ListWritesCommand.ofFlow] {
            let plan = try await plan(of: statement)
            #expect(plan.contains("Index Scan using flow_write_order"), "\(statement.name):\n\(plan)")
            #expect(!plan.contains("Seq Scan"), "\(statement.name):\n\(plan)")
        }
        let purge = try await plan(of: PurgeWritesSQL.purge)
        #expect(purge.contains("Index Scan using flow_write_early"), "\(purge)")
    }

    @Test func uploadsGoByTheirKeys() async throws {
        try await populate()
        let statements = [
            UploadSQL.begin, UploadSQL.resume, UploadSQL.append, UploadSQL.keep, UploadSQL.saved, UploadSQL.giveUp, UploadSQL.progress,
            UploadSQL.part, UploadSQL.remove,
        ]
        for statement in statements {
            let plan = try await plan(of: statement)
            #expect(!plan.contains("Seq Scan"), "\(statement.name):\n\(plan)")
        }
        let abandon = try await plan(of: UploadSQL.abandon)
        #expect(!abandon.contains("Seq Scan on flow_version"), "\(abandon)")
    }

    /// A plan is kept until somebody analyses the table, and a new server's first plans are made when there is nothing in it: whatever
    /// the statistics say, heads and idempotency records are read by their whole key.
    @Test(arguments: [[], ["ANALYZE"], ["INSERT"], ["INSERT", "VACUUM"], ["INSERT", "ANALYZE"], ["GROW"], ["GROW", "VACUUM"]])
    func keysAreUsedWhileTablesAreSmall(preparation: [String]) async throws {
        let name = preparation.joined(separator: "_").lowercased()
        let database = try await StoreCluster.open(try await StoreCluster.ownDatabase("small_\(name)"))
        for step in preparation {
            let rows = step == "GROW" ? 1_000 : 5
            let sql =
                step == "ANALYZE" || step == "VACUUM"
                ? step
                : """
                INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
                SELECT 't', 'a flow ' || n, 1, 'type ' || n % 5, '', 'status ' || n % 4, '{}', now(), now()
                FROM generate_series(1, \(rows)) n
                """
            var script = StatementList(statements: [(Postgres.Statement(name: step, sql: sql, parameterTypes: []), Parameters())]) {
                $0.count
            }
            script.affinity = .exclusive
            _ = try await database.writer(shard: 0).run(script)
        }
        for statement in keyed {
            let plan = try await plan(of: statement, in: database)
            let lines = plan.split(separator: "\n")
            for (table, index, column) in [("flow", "flow_pkey", "flow_id"), ("idempotency", "idempotency_pkey", "key")] {
                for line in lines.indices where lines[line].contains(" on \(table) ") && lines[line].contains("Scan") {
                    let isKeyed = lines[line].contains(" using \(index) ") && lines[line + 1].contains("(\(column) = ")
                    #expect(isKeyed, "\(statement.name), after \(preparation):\n\(plan)")
                }
            }
        }
        await database.shutdown()
    }

    /// Before the first ANALYZE two columns of a key seem as good as three; then a load must not read all versions of its flow.
    @Test func oneVersionIsReadWithoutStatisticsToo() async throws {
        let database = try await StoreCluster.open(try await StoreCluster.ownDatabase("unanalysed"))
        let statements = [LoadSQL.latest, LoadSQL.newest, LoadSQL.version, LoadSQL.label, LoadSQL.time, LoadSQL.checkpoint]
        for statement in statements + [RestoreCheckpointCommand.plain, CreateCheckpointCommand.statement, CheckpointGroupSQL.statement] {
            let plan = try await plan(of: statement, in: database).split(separator: "\n")
            let scans = plan.indices.filter { plan[$0].contains("Scan using flow_version_pkey on flow_version w") }
            #expect(!scans.isEmpty, "\(statement.name):\n\(plan.joined(separator: "\n"))")
            for scan in scans {
                #expect(plan[scan + 1].contains("(version = "), "\(statement.name):\n\(plan.joined(separator: "\n"))")
            }
        }
        await database.shutdown()
    }

    @Test func notificationsAreReadInTheirOrder() async throws {
        for sql in [
            """
            INSERT INTO flowstate.notification (tenant, flow_id, notification_id, version, level, title, message, created_at)
            SELECT 'plans', 'flow ' || n % 100, 'n ' || n, 1, 2, 't', 'm', now() FROM generate_series(1, 10000) n
            """, "ANALYZE flowstate.notification",
        ] {
            _ = try await StoreCluster.sql(sql, read: { rows throws(PostgresError) in rows.affectedRows })
        }
        for (statement, index) in [
            (ListNotificationsCommand.ofTenant, "Backward using notification_order"),
            (ListNotificationsCommand.ofFlow, "Backward using notification_flow_order"),
            (ClaimNotificationsCommand.statement, "using notification_due"),
            (PurgeNotificationsSQL.purge, "using notification_created"),
        ] {
            let plan = try await plan(of: statement)
            #expect(plan.contains("Index Scan \(index)") && !plan.contains("Sort"), "\(statement.name):\n\(plan)")
        }
    }

    /// With and without statistics: the plan is kept until somebody analyses the table.
    @Test(arguments: [true, false]) func listsReadInTheirOrder(isAnalysed: Bool) async throws {
        try await populate()
        let database = isAnalysed ? nil : try await StoreCluster.open(try await StoreCluster.ownDatabase("lists"))
        for order in FlowOrder.allCases {
            for isFirst in [true, false] {
                var query = ListFlowsQuery(tenant: "plans", order: order)
                query.add(FlowFilter())
                if !isFirst { query.add(after: PageToken.Position(number: 1_700_000_000_000_000, text: "flow 5")) }
                let search = ListSearches.Search(versions: 2_000, measures: true)
                let plan = try await plan(of: query.finish(limit: 51, bytes: 1 << 20, search: search).0, in: database)
                guard isAnalysed || order.isByChange else { continue }
                let index = ["flow_pkey", "flow_created", "flow_updated"].first { plan.contains($0) }
                #expect(index != nil && !plan.contains("Seq Scan"), "\(order):\n\(plan)")
                // The rows of the page are put into its order once more when they are spelled out.
                let sorts = plan.split(separator: "\n").filter { $0.contains("Sort Key:") && !$0.contains("f.place") }
                if isAnalysed { #expect(sorts.isEmpty || plan.contains("Incremental Sort"), "\(order):\n\(plan)") }
                guard order.isByChange else { continue }
                // Each version leads to its head before the next one is read, so that a full page ends the search.
                let lines = plan.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }
                let loop = try #require(lines.firstIndex { $0.hasSuffix("Nested Loop Left Join") }, "\(plan)")
                #expect(lines[loop - 1].hasSuffix("Limit"), "\(plan)")
                #expect(!plan.contains("Bitmap"), "\(plan)")
                let scan = order == .updatedAscending ? "Index Scan using" : "Index Scan Backward using"
                #expect(lines.contains { $0.hasSuffix("\(scan) flow_version_created on flow_version v") }, "\(plan)")
            }
        }
        await database?.shutdown()
    }

    /// A label leads to its flows, which are not compared with all flows of the tenant.
    @Test func labelledFlowsAreFoundByTheirLabels() async throws {
        try await populate()
        for order in FlowOrder.allCases {
            var query = ListFlowsQuery(tenant: "plans", order: order)
            var filter = FlowFilter()
            filter.labels = Labels(["customer": "acme"])
            filter.status = "running"
            query.add(filter)
            let search = ListSearches.Search(versions: 2_000, measures: true)
            let plan = try await plan(of: query.finish(limit: 51, bytes: 1 << 20, search: search).0)
            #expect(plan.contains("Bitmap Index Scan on flow_tenant_labels") && !plan.contains("BitmapAnd"), "\(order):\n\(plan)")
        }
    }

    /// What is due is found without looking at what is not.
    @Test func overdueFlowsAreFoundByTheirTimes() async throws {
        try await populate()
        let found = try await plan(of: OverdueSQL.found)
        #expect(found.contains("Index Scan using flow_due on flow") && !found.contains("Seq Scan"), "\(found)")
        for statement in [OverdueSQL.one, OverdueSQL.notify, OverdueSQL.forget] {
            let plan = try await plan(of: statement)
            #expect(plan.contains("flow_pkey") && !plan.contains("Seq Scan on flow "), "\(statement.name):\n\(plan)")
        }
        for order in FlowOrder.allCases {
            var query = ListFlowsQuery(tenant: "plans", order: order)
            var filter = FlowFilter()
            filter.isOverdue = true
            query.add(filter)
            let search = ListSearches.Search(versions: 0, measures: true)
            let plan = try await plan(of: query.finish(limit: 51, bytes: 1 << 20, search: search).0)
            #expect(plan.contains("flow_overdue"), "\(order):\n\(plan)")
        }
    }

    /// One that knows what was put before does not go through it.
    @Test func directoriesReadWhatIsNew() async throws {
        let plan = try await plan(of: DirectorySQL.statement)
        #expect(plan.contains("definition_change_number") && !plan.contains("Seq Scan"), "\(plan)")
        let scans = plan.split(separator: "\n").filter { $0.contains("Scan") && $0.contains("on definition") }
        #expect(!scans.isEmpty && scans.allSatisfy { $0.contains("definition_change") }, "\(plan)")
    }

    /// PostgreSQL plans a prepared statement five times with its parameters and then keeps a plan for all, if that is as good.
    @Test func plansAreKept() async throws {
        let running = try await StoreCluster.running()
        var configuration = Database.Configuration(conninfo: running.conninfo)
        configuration.settings = StoreSchema.sessionSettings
        (configuration.writers, configuration.readers) = (1, 1)
        let database = try Database(configuration: configuration, logger: StoreCluster.logger)
        database.start()
        let store = StateStore(database: database, limits: Limits(), logger: StoreCluster.logger)
        _ = await database.waitUntilAvailable()
        let key = try key(freshTenant(), "f")
        for round in 0..<20 {
            var save = SaveCommand(key: key, actor: "a", state: json("{}"), precondition: .expected(FlowVersion(round * 2)))
            save.idempotencyKey = "\(round)"
            _ = try await store.run(save)
            _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{}")))
            _ = try await store.snapshot(key)
        }
        let counts = Postgres.Statement(
            name: "counts",
            sql: "SELECT name, generic_plans, custom_plans FROM pg_prepared_statements WHERE generic_plans + custom_plans >= 15",
            parameterTypes: [])
        for group in [database.writer(shard: 0), database.reader] {
            let plans = try await group.run(
                StatementList(statements: [(counts, Parameters())]) { results throws(PostgresError) in
                    var lines: [(String, Int64, Int64)] = []
                    for row in 0..<results[0].count {
                        lines.append((try results[0].text(row, 0), try results[0].int64(row, 1), try results[0].int64(row, 2)))
                    }
                    return lines
                })
            #expect(!plans.isEmpty)
            for (name, generic, custom) in plans { #expect(custom <= 5, "\(name): \(generic) kept, \(custom) made") }
        }
        await database.shutdown()
    }

    /// In a database of its own, whose statistics nobody else fills. They are complete when the sessions have ended.
    @Test func headsStayInTheirPages() async throws {
        let conninfo = try await StoreCluster.ownDatabase("hot")
        let database = try await StoreCluster.open(conninfo)
        let store = StateStore(database: database, limits: Limits(), logger: StoreCluster.logger)
        try await withThrowingTaskGroup { group in
            for flow in 0..<50 {
                group.addTask {
                    for round in 0..<40 {
                        var save = SaveCommand(key: try key("t", "\(flow)"), actor: "a", state: json("\(round)"))
                        save.phase = "phase \(round)"
                        save.progress = Double(round)
                        _ = try await store.run(save)
                    }
                }
            }
            try await group.waitForAll()
        }
        await database.shutdown()

        let reader = try await StoreCluster.open(conninfo)
        let statement = Postgres.Statement(
            name: "hot", sql: "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'flow'", parameterTypes: [])
        let count = StatementList(statements: [(statement, Parameters())]) { results throws(PostgresError) in
            (all: try results[0].int64(0, 0), hot: try results[0].int64(0, 1))
        }
        // A session counts what it did when it ends, which takes a moment after its connection was closed.
        let deadline = Instant.now + .seconds(20)
        var updates = try await reader.reader.run(count)
        while updates.all < 50 * 39, .now < deadline { updates = try await reader.reader.run(count) }
        await reader.shutdown()
        #expect(updates.all == 50 * 39)
        #expect(Double(updates.hot) >= 0.9 * Double(updates.all), "\(updates.hot) of \(updates.all)")
    }
}
