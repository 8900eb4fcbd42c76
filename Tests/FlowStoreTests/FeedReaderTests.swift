import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// What the feed reads of versions that transactions commit in any order.
struct FeedReaderTests {
    private let context = OperationContext()

    private func save(_ store: StateStore, _ tenant: String, _ flowID: String) async throws {
        _ = try await store.run(SaveCommand(key: try key(tenant, flowID), actor: "a", state: json("{}")))
    }

    /// All windows from a position on, as (flow, version).
    private func read(
        _ reader: FeedReader, _ tenant: String, from start: FeedPosition, upTo end: FeedPosition? = nil
    ) async throws -> (read: [String], windows: Int, end: FeedPosition) {
        var (position, found, windows) = (start, [String](), 0)
        while true {
            let window = try await reader.window(
                from: position, upTo: end, FeedInterest(tenants: [tenant]), isLive: windows.isMultiple(of: 2), for: context)
            found += window.changes.map { "\($0.head.key.flowID) \($0.version.version)" }
            windows += 1
            position = window.end
            if !window.isCut { return (found, windows, position) }
        }
    }

    @Test(arguments: [1, 2, 3, 7, 100])
    func windowsOfAnySizeReadAllInOrder(_ rows: Int) async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        let reader = FeedReader(store: store, rows: rows)
        let start = try await reader.now(for: context)
        for number in 0..<12 { try await save(store, tenant, "f\(number % 3)") }
        let end = try await reader.now(for: context)
        let expected = (0..<12).map { "f\($0 % 3) \($0 / 3 + 1)" }
        let all = try await read(reader, tenant, from: start)
        #expect(all.read == expected)
        #expect(all.windows == (rows >= 100 ? 1 : all.windows) && all.windows >= 12 / rows)
        try await save(store, tenant, "f0")
        #expect(try await read(reader, tenant, from: start, upTo: end).read == expected)
        #expect(try await read(reader, tenant, from: all.end).read == ["f0 5"])
        #expect(try await read(reader, tenant, from: end).read == ["f0 5"])
    }

    @Test func windowsEndByBytesToo() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        let reader = FeedReader(store: store, bytes: 10_000)
        let start = try await reader.now(for: context)
        for number in 0..<6 {
            var save = SaveCommand(key: try key(tenant, "f"), actor: "a", state: json("\(number)"))
            save.metadata = Array("\"\(String(repeating: "m", count: 6_000))\"".utf8)
            _ = try await store.run(save)
        }
        let all = try await read(reader, tenant, from: start)
        #expect(all.read == (1...6).map { "f \($0)" } && all.windows >= 3)
    }

    /// A transaction that began first, and whose save comes last: its id is lower than those of the versions before.
    @Test(arguments: [1, 2, 100])
    func versionsAreInOrderThoughIdsAreNot(_ rows: Int) async throws {
        let running = try await StoreCluster.running()
        let (store, tenant) = (running.store, freshTenant())
        let reader = FeedReader(store: store, rows: rows)
        try await save(store, tenant, "f")
        let other = try DirectSession(running.conninfo)
        try other.run("BEGIN; SELECT pg_current_xact_id()")
        let start = try await reader.now(for: context)
        for _ in 0..<3 { try await save(store, tenant, "f") }
        try other.run(
            """
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, size, created_at, kind, codec, digest, actor, content_type, phase,
                status, state)
            SELECT tenant, flow_id, 5, size, clock_timestamp(), kind, codec, digest, actor, content_type, phase, status, state
                FROM flowstate.flow_version WHERE tenant = '\(tenant)' AND version = 4
            """)
        let before = try await read(reader, tenant, from: start)
        #expect(before.read == ["f 2", "f 3", "f 4"])
        try other.run("COMMIT")
        #expect(try await read(reader, tenant, from: before.end).read == ["f 5"])
        let again = try await read(reader, tenant, from: start).read
        // With small windows the versions that had to come first come again in their own.
        #expect(again.prefix(4) == ["f 2", "f 3", "f 4", "f 5"])
        #expect(Set(again).count == 4, "\(again)")
    }

    /// A transaction that writes for long holds nothing up: neither other flows, nor what is committed around it.
    @Test func transactionsThatRunForLongHoldNothingUp() async throws {
        let running = try await StoreCluster.running()
        let (store, tenant) = (running.store, freshTenant())
        let reader = FeedReader(store: store)
        let other = try DirectSession(running.conninfo)
        let start = try await reader.now(for: context)
        try other.run(
            """
            BEGIN;
            INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
                VALUES ('\(tenant)', 'slow', 1, '', '', '', '{}', now(), now());
            INSERT INTO flowstate.flow_version (tenant, flow_id, version, size, created_at, kind, codec, digest, actor, content_type, phase,
                status, state) VALUES ('\(tenant)', 'slow', 1, 2, now(), 1, 0, '\\x00000000000000000000000000000000', 'a', '', '', '', '{}')
            """)
        var position = start
        for number in 1...3 {
            try await save(store, tenant, "f")
            let next = try await read(reader, tenant, from: position)
            #expect(next.read == ["f \(number)"])
            position = next.end
        }
        #expect(!position.running.isEmpty)
        try other.run("COMMIT")
        let last = try await read(reader, tenant, from: position)
        #expect(last.read == ["slow 1"])
        #expect(try await read(reader, tenant, from: start).read.count == 4)
    }

    /// A dump that was restored in another cluster has ids that this one has not reached.
    @Test func idsOfAnotherClusterAreForgotten() async throws {
        let conninfo = try await StoreCluster.ownDatabase("restored_dump")
        let database = try await StoreCluster.open(conninfo)
        defer { Task { await database.shutdown() } }
        let (store, tenant) = (StateStore(database: database, limits: Limits(), logger: StoreCluster.logger), freshTenant())
        try await save(store, tenant, "old")
        let other = try DirectSession(conninfo)
        try other.run("UPDATE flowstate.flow_version SET transaction_id = '123456789012345'")
        let reader = FeedReader(store: store)
        let start = try await reader.now(for: context)
        #expect(start.next < 1_000_000_000)
        try await save(store, tenant, "new")
        #expect(try await read(reader, tenant, from: start).read == ["new 1"])
        let loaded = try await store.run(LoadCommand(key: try key(tenant, "old")))
        #expect(loaded.version == 1)
        // A cursor of the other cluster: what is new since its time.
        var foreign = start
        foreign.history.system = 1
        foreign.next = 200_000_000_000_000
        let position = try await reader.position(replacing: foreign, of: tenant, for: context)
        #expect(try await read(reader, tenant, from: position).read == ["new 1"])
        await #expect(throws: StateError.self) {
            try await reader.window(from: foreign, upTo: nil, FeedInterest(tenants: [tenant]), isLive: true, for: context)
        }
    }
}

extension LoadOutcome {
    fileprivate var version: FlowVersion? { if case .snapshot(let snapshot) = self { snapshot.version.version } else { nil } }
}
