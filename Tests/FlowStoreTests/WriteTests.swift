import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// What becomes of pending writes without a version, and of those whose version is removed.
struct WriteTests {
    private func append(_ store: StateStore, _ key: FlowKey, _ label: String, _ tasks: String...) async throws {
        let writes = tasks.map { PendingWrite(taskID: $0, index: 0, channel: "c") }
        _ = try await store.run(AppendWritesCommand(key: key, actor: "a", versionLabel: label, writes: writes))
    }

    private func save(_ store: StateStore, _ key: FlowKey, _ label: String, _ tasks: String...) async throws {
        var command = SaveCommand(key: key, actor: "a", state: json("{}"))
        command.versionLabel = label
        command.writes = tasks.map { PendingWrite(taskID: $0, index: 0, channel: "c") }
        _ = try await store.run(command)
    }

    private func listed(_ store: StateStore, _ key: FlowKey) async throws -> [String] {
        try await store.run(ListWritesCommand(key: key)).elements.map { "\($0.versionLabel) \($0.write.taskID)" }
    }

    private func age(_ key: FlowKey, hours: Int64) async throws {
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow_write SET created_at = created_at - $2 * interval '1 hour' WHERE tenant = $1", [.text, .int8],
            {
                $0.append(key.tenant)
                $0.append(hours)
            }, read: { rows throws(PostgresError) in rows.affectedRows })
    }

    @Test func orphansGoAfterTheLimitAndOthersStay() async throws {
        var limits = Limits()
        limits.orphanWriteHours = 3
        let store = StateStore(database: try await StoreCluster.running().database, limits: limits, logger: StoreCluster.logger)
        let key = try key(freshTenant(), "f")
        try await append(store, key, "early", "e")
        try await append(store, key, "never", "n", "m")
        try await save(store, key, "early")
        try await save(store, key, "saved", "s")
        try await append(store, key, "saved", "late")
        try await age(key, hours: 4)
        try await append(store, key, "young", "y")
        while try await store.purgeWrites(batch: 1) > 0 {}
        #expect(try await listed(store, key) == ["early e", "saved late", "saved s", "young y"])
        try await age(key, hours: 4)
        try await store.purgeWrites()
        #expect(try await listed(store, key) == ["early e", "saved late", "saved s"])
    }

    @Test func writesGoWithTheLastVersionOfTheirLabel() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        for label in ["a", "twice", "b", "twice", "c"] { try await save(store, key, label, "t") }
        try await append(store, key, "twice", "u")
        try await append(store, key, "to come", "v")
        #expect(try await store.pruneVersions(of: key, below: 4, actor: "a", step: 2).versions == 3)
        #expect(try await listed(store, key) == ["c t", "to come v", "twice t", "twice u"])
        try await store.pruneVersions(of: key, below: 5, actor: "a")
        #expect(try await listed(store, key) == ["c t", "to come v"])
    }

    @Test func aSaveWithWritesFindsItsPlaceAmongOthers() async throws {
        let store = try await StoreCluster.store()
        let keys = try (0..<4).map { try key(freshTenant(), "f\($0)") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for turn in 0..<20 {
                for key in keys {
                    group.addTask {
                        if turn % 2 == 0 {
                            try await save(store, key, "l\(turn)", "t")
                        } else {
                            try await append(store, key, "l\(turn - 1)", "u")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let expected = stride(from: 0, to: 20, by: 2).flatMap { ["l\($0) t", "l\($0) u"] }.sorted()
        for key in keys { #expect(try await listed(store, key).sorted() == expected) }
    }

    @Test func mergingKeepsTheFirstAndReplacesSpecialOnes() {
        func write(_ task: String, _ index: Int32, _ value: UInt8, _ path: String = "") -> PendingWrite {
            PendingWrite(taskID: task, index: index, channel: "c", value: [value], path: path)
        }
        let merged = [
            write("b", 1, 1), write("a", -1, 2, "p"), write("b", 1, 3), write("a", -1, 4, "q"), write("b", -5, 5), write("é", 0, 6),
            write("e\u{301}", 0, 7),
        ].merged()
        #expect(
            merged == [write("a", -1, 4, "p"), write("b", -5, 5), write("b", 1, 1), write("e\u{301}", 0, 7), write("é", 0, 6)])
        #expect(merged.map(\.value) == [[4], [5], [1], [7], [6]])
    }
}
