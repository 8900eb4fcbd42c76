import FlowModel
import Postgres
import Testing

@testable import FlowStore

/// What stores much goes by a connection of its own, which the others' changes do not wait for, but those of its flow do.
@Suite(.serialized, .timeLimit(.minutes(2))) struct LargeChangeTests {
    private static let gate = 7_301

    @Test func othersDoNotWaitButItsOwnFlowDoes() async throws {
        let running = try await StoreCluster.running()
        let (database, gates) = (try await StoreCluster.open(running.conninfo), try await StoreCluster.open(running.conninfo))
        let (large, other) = (try key(freshTenant(), "large"), try key(freshTenant(), "other"))
        var generator = SeededGenerator(seed: 1)
        let state = json("{\"text\": \"\(SubmissionOrderTests.letters(4_000_000, &generator))\"}")
        let size = SaveChange(
            SaveCommand(key: other, actor: "a", state: state, precondition: .expected(0)), StoreResources(limits: Limits())
        ).packedBytes
        #expect(size > Limits().batchedChangeBytes)

        var limits = Limits()
        limits.batchedChangeBytes = size
        let atLimit = StateStore(database: database, limits: limits, logger: StoreCluster.logger)
        limits.batchedChangeBytes = size - 1
        let above = StateStore(database: database, limits: limits, logger: StoreCluster.logger)

        // The connection for large changes is busy.
        _ = try await gates.writer(shard: 0).run(Self.script("SELECT pg_advisory_lock(\(Self.gate))"))
        let wait = "SELECT set_config('lock_timeout', '60s', true), pg_advisory_xact_lock(\(Self.gate))"
        let busy = Task { try await database.largeWrites.run(Self.script(wait)) }
        let waits = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = \(Self.gate) AND NOT granted"
        while try await gates.writer(shard: 0).run(Self.script(waits)) == 0 { await Task.yield() }
        let first = Task { try await above.run(SaveCommand(key: large, actor: "a", state: state)) }
        while database.largeWrites.queued == 0 { await Task.yield() }
        let second = Task { try await above.run(SaveCommand(key: large, actor: "a", state: json("{}"))) }
        while above.resources.order.waiting == 0 { await Task.yield() }

        #expect(try await atLimit.run(SaveCommand(key: other, actor: "a", state: state)).version == 1)
        #expect(try await above.run(SaveCommand(key: other, actor: "a", state: json("{}"))).version == 2)
        #expect(database.largeWrites.queued == 1 && above.resources.order.waiting == 1)

        _ = try await gates.writer(shard: 0).run(Self.script("SELECT pg_advisory_unlock(\(Self.gate))"))
        #expect(try await first.value.version == 1)
        #expect(try await second.value.version == 2)
        #expect(above.resources.order.isIdle)
        _ = try await busy.value
        for database in [database, gates] { await database.shutdown() }
    }

    private static func script(_ sql: String) -> Script<Int> {
        let statement = Postgres.Statement(name: sql, sql: sql, parameterTypes: [])
        var script = Script(statements: [(statement, Parameters())]) { results throws(PostgresError) in results[0].count }
        script.company = .nobody
        return script
    }
}
