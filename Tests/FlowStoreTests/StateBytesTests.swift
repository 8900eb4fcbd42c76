import FlowModel
import FlowStore
import Postgres
import Testing

struct StateBytesTests {
    static let states: [[UInt8]] = [
        json("{\"nul\":\"\\u0000\"}"),
        json("{\"lone\":\"\\ud800\",\"low\":\"\\uDC00x\"}"),
        json(" { \"b\" : 1 , \"a\" : 1e400 , \"a\" : -0.0 } \n"),
        json("\"grüße 🦊 \u{10FFFF}\""),
        json("[" + String(repeating: "1234567890,", count: 8 << 20 / 11) + "0]"),
    ]

    @Test(arguments: states.indices) func comesBackByteForByte(_ index: Int) async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: Self.states[index]))
        #expect(try await store.snapshot(key).state == Self.states[index])
    }

    @Test func opaqueBytesAndEmptiness() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        let binary = try ContentType(parsing: "application/octet-stream", limits: .defaults)
        for state in [[], [UInt8](0...255), [0], [UInt8](repeating: 0xFF, count: 5_000)] {
            _ = try await store.run(SaveCommand(key: key, actor: "a", state: state, contentType: binary))
            let snapshot = try await store.snapshot(key)
            #expect(snapshot.state == state && snapshot.version.contentType == "application/octet-stream")
            #expect(snapshot.version.size == Int64(state.count))
        }
    }

    @Test func damageIsToldNotServed() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        let key = try key(tenant, "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{\"good\":1}")))
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{\"good\":2}")))
        _ = try await StoreCluster.sql(
            "UPDATE flowstate.flow_version SET state = set_byte(state, 2, 120) WHERE tenant = $1 AND version = 2", [.text],
            { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        // Another server, which does not know the version already.
        let other = StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
        guard case .dataLoss(flowID: "f", version: 2, _) = await refusal({ try await other.snapshot(key) }) else {
            Issue.record("a damaged state was served")
            return
        }
        #expect(try await other.snapshot(key, .version(1)).state == json("{\"good\":1}"))
    }
}
