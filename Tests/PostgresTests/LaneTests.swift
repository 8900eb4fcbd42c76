import Foundation
import Synchronization
import Testing

@testable import Postgres

@Suite struct LaneTests {
    @Test func answersOneOperation() async throws {
        try await TestCluster.withDatabase { database in
            let read = try await database.reader.run(SQL(number: "SELECT 41::int8 + 1"))
            #expect(read == 42)
            let written = try await database.writer(shard: 7).run(SQL(number: "SELECT $1 + 1", [.int8]) { $0.append(Int64(1)) })
            #expect(written == 2)
            #expect(database.status.isAvailable)
        }
    }
}
