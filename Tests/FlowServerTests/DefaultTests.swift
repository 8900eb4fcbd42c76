import FlowModel
import GRPC
import Postgres
import Resources
import Testing

@testable import FlowServer

/// A limit has one default. Rooms that do not know `Limits` have configurations of their own, whose defaults are the same.
@Suite struct DefaultTests {
    /// What the server sets for other reasons.
    private static let others: Set = ["memory", "overloaded", "answerOverloaded", "disposal", "completed", "maxConnections"]
    private static let ofTheStore: Set = ["settings", "backgroundSettings", "writers", "readers"]

    private func differences(_ one: Any, _ other: Any, but ignored: Set<String>) -> [String] {
        zip(Mirror(reflecting: one).children, Mirror(reflecting: other).children).compactMap { mine, theirs in
            let label = mine.label ?? ""
            if ignored.contains(label) || "\(mine.value)" == "\(theirs.value)" { return nil }
            return "\(label): \(mine.value) and \(theirs.value)"
        }
    }

    @Test func theTransportHasTheServersDefaults() {
        let served = ServerOptions().grpc(memory: MemoryBudget(limit: 1 << 20), descriptors: 1 << 20)
        #expect(differences(ServerConfiguration(), served, but: Self.others) == [])
    }

    @Test func theDatabaseHasTheServersDefaults() {
        #expect(differences(Database.Configuration(conninfo: ""), ServerOptions().database, but: Self.ofTheStore) == [])
    }
}
