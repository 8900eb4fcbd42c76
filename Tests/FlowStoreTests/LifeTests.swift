import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// Flows that were deleted and revived.
struct LifeTests {
    private static func server() async throws -> StateStore {
        StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
    }

    /// A server that has the bases of an earlier life in its cache does not store a new one against them.
    @Test func aRevivedFlowNeedsNothingOfItsEarlierLife() async throws {
        let (here, there) = (try await Self.server(), try await Self.server())
        let key = try key(freshTenant(), "f")
        var random = SeededGenerator(seed: 7)
        let text = (0..<1_500).map { _ in "\(UInt32.random(in: 0...UInt32.max, using: &random))" }.joined(separator: " ")
        for version in 1...3 {
            _ = try await there.run(SaveCommand(key: key, actor: "a", state: json("{\"n\":\(version),\"text\":\"\(text)\"}")))
        }
        _ = try await here.run(DeleteFlowCommand(key: key, actor: "a"))
        #expect(try await here.pruneVersions(of: key, below: 4, actor: "a").versions == 3)
        var save = SaveCommand(key: key, actor: "a", state: json("{\"n\":5,\"text\":\"\(text)\"}"))
        save.revives = true
        #expect(try await there.run(save).version == 5)
        #expect(try await here.snapshot(key).state == save.state)
        let bases = try await StoreCluster.sql(
            "SELECT count(base_version) FROM flowstate.flow_version WHERE tenant = $1 AND version = 5", [.text],
            { $0.append(key.tenant) }, read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        #expect(bases == 0)
    }
}
