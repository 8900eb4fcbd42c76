import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// Versions and events of a flow are one list, whatever their times say.
struct HistoryTests {
    private func pages(_ store: StateStore, _ key: FlowKey, size: Int, kinds: [String]) async throws -> [String] {
        var (names, token): ([String], PageToken?) = ([], nil)
        repeat {
            let page = try await store.run(GetHistoryCommand(key: key, kinds: kinds, pageSize: size, pageToken: token))
            #expect(page.elements.count <= size)
            for record in page.elements {
                switch record {
                case .version(let version): names.append("v\(version.version)")
                case .event(let event): names.append("e\(event.id)")
                }
            }
            token = page.next
        } while token != nil
        return names
    }

    /// Times without any order, as clocks that jump and statements that wait make them.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func everyPageSizeShowsTheSame(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let key = try key(tenant, "f")
        let checkpoint = { CheckpointRequest(id: IDGenerator.next()) }
        for number in 0..<12 {
            _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("\(number)")))
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let made = try await store.run(CreateCheckpointCommand(key: key, actor: "a", checkpoint: checkpoint()))
                if Bool.random(using: &random) {
                    _ = try await store.run(DeleteCheckpointCommand(key: key, actor: "a", checkpoint: made.id))
                }
            }
        }
        for table in seed % 2 == 0 ? ["flow_event", "flow_version"] : ["flow_event"] {
            _ = try await StoreCluster.sql(
                """
                UPDATE flowstate.\(table) SET created_at = created_at + (hashtext(ctid::text || '\(seed)') % 20) * interval '1 ms'
                WHERE tenant = $1
                """,
                [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        }
        for kinds in [[], ["checkpoint_created", "saved"]] {
            let whole = try await pages(store, key, size: 100, kinds: kinds)
            let events = try await StoreCluster.sql(
                "SELECT count(*) FROM flowstate.flow_event WHERE tenant = $1" + (kinds.isEmpty ? "" : " AND kind = 'checkpoint_created'"),
                [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in try rows.int64(0, 0) })
            #expect(Set(whole).count == whole.count && whole.count == Int(events) + (kinds.isEmpty ? 12 : 11), "seed \(seed)")
            for size in [1, 2, 3, 5, 7, whole.count - 1, whole.count] {
                #expect(try await pages(store, key, size: size, kinds: kinds) == whole, "seed \(seed), pages of \(size)")
            }
        }
    }

    @Test func eachKindIsInItsOwnOrder() {
        let versions = [5, 4, 3].map { version(Int64($0), at: 10 * Int64($0)) }
        let events = [(9, 45), (8, 60), (7, 20)].map { event(Int64($0.0), at: Int64($0.1)) }
        for size in 1...6 {
            var place = HistoryMerge.Place()
            var shown: [Int64] = []
            for _ in 0..<6 {
                let left = (versions.filter { $0.version < place.version }, events.filter { $0.id < place.event })
                var merge = HistoryMerge(place: place, versions: left.0[...], events: left.1[...])
                for record in merge.next(size) {
                    switch record {
                    case .version(let version): shown.append(version.version)
                    case .event(let event): shown.append(event.id)
                    }
                }
                place = merge.place
            }
            #expect(shown == [5, 9, 8, 4, 3, 7], "pages of \(size)")
        }
    }

    @Test func aPlaceIsItsToken() {
        let place = HistoryMerge.Place(version: 3, event: 9, versionTime: -5, eventTime: .max)
        #expect(HistoryMerge.Place(place.position) == place)
        for text in ["", "1", "1 2", "1 2 x", "1 2 3 4"] {
            #expect(HistoryMerge.Place(PageToken.Position(number: 1, text: text)) == nil)
        }
    }

    private func version(_ number: FlowVersion, at time: Int64) -> VersionRecord {
        VersionRecord(
            version: number, parentVersion: nil, kind: .saved, actor: "a", contentType: "", size: 0, digest: [], phase: "", status: "",
            progress: nil, versionLabel: nil, metadata: [], createdAt: Timestamp(microseconds: time), checkpoints: [])
    }

    private func event(_ id: Int64, at time: Int64) -> EventRecord {
        EventRecord(id: id, kind: "k", actor: "a", detail: [], createdAt: Timestamp(microseconds: time))
    }
}
