import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// PostgreSQL sends no more rows than fit into a page, and pages show everything all the same.
struct PageBytesTests {
    private static let pageBytes = 40_000

    private func store() async throws -> StateStore {
        var limits = Limits()
        limits.pageBytes = Self.pageBytes
        return StateStore(database: try await StoreCluster.running().database, limits: limits, logger: StoreCluster.logger)
    }

    private func insert(_ sql: String, _ tenant: String) async throws {
        _ = try await StoreCluster.sql(sql, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
    }

    /// Goes through all pages.
    ///
    /// - Parameter largest: what may come at once, with what libpq's blocks take beside.
    private func all<Element>(
        largest: Int = pageBytes * 3 / 2, _ page: (PageToken?) async throws -> Page<Element>
    ) async throws -> (elements: [Element], pages: Int) {
        var (elements, pages, token): ([Element], Int, PageToken?) = ([], 0, nil)
        repeat {
            let next = try await page(token)
            #expect(!next.elements.isEmpty && next.byteCount > 0 && next.byteCount <= largest, "\(next.byteCount) bytes")
            (elements, pages, token) = (elements + next.elements, pages + 1, next.next)
        } while token != nil
        return (elements, pages)
    }

    @Test func flows() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        try await insert(
            """
            INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
            SELECT $1, 'f' || i, 1, 't', 'p', 's', (SELECT jsonb_object_agg('name ' || n, repeat('x', 200)) FROM generate_series(1, 10) n),
                now() + i * interval '1 ms', now() + i * interval '1 ms'
            FROM generate_series(1, 500) i
            """, tenant)
        for order in FlowOrder.allCases {
            // A portion of rows more may come.
            let (found, pages) = try await all(largest: Self.pageBytes + (PageSQL.portion + 1) * 2_600 + 16_384) { token in
                try await store.run(ListFlowsCommand(tenant: tenant, order: order, pageSize: 1_000, pageToken: token))
            }
            #expect(Set(found.map(\.head.key.flowID)).count == 500 && found.count == 500 && pages > 20, "\(order)")
        }
    }

    @Test func versionsAndHistories() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let flow = try key(tenant, "f")
        for number in 1...60 {
            var save = SaveCommand(key: flow, actor: "a", state: json("{}"))
            save.metadata = json("\"\(String(repeating: "x", count: 3_000))\"")
            save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "\(number) " + String(repeating: "n", count: 200))
            _ = try await store.run(save)
        }
        try await insert(
            """
            INSERT INTO flowstate.flow_event (tenant, flow_id, kind, actor, detail, created_at)
            SELECT $1, 'f', 'note', 'a', jsonb_build_object('text', repeat('y', 2000)), now() + i * interval '1 ms'
            FROM generate_series(1, 60) i
            """, tenant)
        for newestFirst in [true, false] {
            let (versions, pages) = try await all { token in
                try await store.run(ListVersionsCommand(key: flow, newestFirst: newestFirst, pageSize: 1_000, pageToken: token))
            }
            #expect(versions.map(\.version) == (newestFirst ? (1...60).reversed() : Array(1...60)) && pages > 4)
        }
        let (history, pages) = try await all { token in
            try await store.run(GetHistoryCommand(key: flow, kinds: [], pageSize: 1_000, pageToken: token))
        }
        var (versions, events): ([FlowVersion], [Int64]) = ([], [])
        for record in history {
            switch record {
            case .version(let version): versions.append(version.version)
            case .event(let event): events.append(event.id)
            }
        }
        #expect(versions == (1...60).reversed() && events.count == 60 && events == events.sorted(by: >) && pages > 4)
    }

    @Test func checkpoints() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let flow = try key(tenant, "f")
        _ = try await store.run(SaveCommand(key: flow, actor: "a", state: json("{}")))
        for number in 1...40 {
            let request = CheckpointRequest(
                id: IDGenerator.next(), name: "\(number)", description: String(repeating: "d", count: 4_000))
            _ = try await store.run(CreateCheckpointCommand(key: flow, actor: "a", checkpoint: request))
        }
        let (found, pages) = try await all { token in
            try await store.run(ListCheckpointsCommand(key: flow, pageSize: 1_000, pageToken: token))
        }
        #expect(found.map(\.name) == (1...40).reversed().map { "\($0)" } && pages > 4)
    }

    @Test func quarantine() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        for _ in 1...40 { _ = try await store.run(SaveCommand(key: try key(tenant, "f"), actor: "a", state: json("{}"))) }
        try await insert(
            """
            INSERT INTO flowstate.quarantine (tenant, flow_id, quarantine_id, version, reason, violations, created_at)
            SELECT $1, 'f', 'q' || i, i, 'r', convert_to('[' || repeat(' ', 4000) || ']', 'UTF8'), now() FROM generate_series(1, 40) i
            """, tenant)
        let (found, pages) = try await all { token in
            try await store.run(ListQuarantineCommand(tenant: tenant, pageSize: 1_000, pageToken: token))
        }
        #expect(found.map(\.version) == (1...40).reversed() && pages > 4)
    }

    @Test func notifications() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        try await insert(
            """
            INSERT INTO flowstate.notification (tenant, flow_id, notification_id, version, level, title, message, created_at, next_attempt_at)
            SELECT $1, 'f', 'n' || i, i, 3, 't', repeat('m', 4000), now(), now() FROM generate_series(1, 40) i
            """, tenant)
        for flowID in [nil, "f"] {
            let (found, pages) = try await all { token in
                try await store.run(ListNotificationsCommand(tenant: tenant, flowID: flowID, pageSize: 1_000, pageToken: token))
            }
            #expect(found.map(\.version) == (1...40).reversed() && pages > 4)
        }
    }

    @Test func definitions() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        let builtIn = BuiltInDefinitions.records.map(\.flowType)
        for number in 10...40 {
            let document = json(#"{"flow_type": "t\#(number)", "description": "\#(String(repeating: "d", count: 4_000))"}"#)
            _ = try await store.run(PutDefinitionCommand(tenant: tenant, actor: "a", document: document))
        }
        let (found, pages) = try await all { token in
            try await store.run(ListDefinitionsCommand(tenant: tenant, pageSize: 1_000, pageToken: token))
        }
        #expect(found.map(\.flowType) == ((10...40).map { "t\($0)" } + builtIn).sorted() && pages > 3)
    }

    /// One that is larger than a page comes alone.
    @Test func aRowThatFitsNowhereIsShown() async throws {
        let (store, tenant) = (try await store(), freshTenant())
        for number in 1...3 {
            var save = SaveCommand(key: try key(tenant, "f"), actor: "a", state: json("{}"))
            save.metadata = json("\"\(String(repeating: "\(number)", count: Self.pageBytes))\"")
            _ = try await store.run(save)
        }
        let (found, pages) = try await all(largest: 2 * Self.pageBytes) { token in
            try await store.run(ListVersionsCommand(key: try key(tenant, "f"), pageSize: 1_000, pageToken: token))
        }
        #expect(found.map(\.version) == [3, 2, 1] && pages == 3)
    }
}
