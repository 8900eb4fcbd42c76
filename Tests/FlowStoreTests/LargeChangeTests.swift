import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// What stores much goes by a connection of its own, which the others' changes do not wait for, but those of its flow do.
@Suite(.serialized, .timeLimit(.minutes(2))) struct LargeChangeTests {
    private static let gate = 7_301

    /// Letters at random, which stay large when they are packed.
    private static let state = {
        var generator = SeededGenerator(seed: 1)
        return json("{\"text\": \"\(SubmissionOrderTests.letters(80_000, &generator))\"}")
    }()

    @Test func othersDoNotWaitButItsOwnFlowDoes() async throws {
        let running = try await StoreCluster.running()
        let (database, gates) = (try await StoreCluster.open(running.conninfo), try await StoreCluster.open(running.conninfo))
        let (large, other) = (try key(freshTenant(), "large"), try key(freshTenant(), "other"))
        let state = Self.state
        let size = SaveChange(
            SaveCommand(key: other, actor: "a", state: state, precondition: .expected(0)), StoreResources(limits: Limits())
        ).packedBytes
        #expect(size > 32_768)

        var limits = Limits()
        limits.batchedChangeBytes = size
        let atLimit = StateStore(database: database, limits: limits, logger: StoreCluster.logger)
        limits.batchedChangeBytes = size - 1
        let above = StateStore(database: database, limits: limits, logger: StoreCluster.logger)

        let busy = try await Self.occupy(database.largeWriter(shard: 0), gates)
        let first = Task { try await above.run(SaveCommand(key: large, actor: "a", state: state)) }
        while database.largeWriter(shard: 0).queued == 0 { await Task.yield() }
        let second = Task { try await above.run(SaveCommand(key: large, actor: "a", state: json("{}"))) }
        while above.resources.order.isIdle { await Task.yield() }

        #expect(try await atLimit.run(SaveCommand(key: other, actor: "a", state: state)).version == 1)
        #expect(try await above.run(SaveCommand(key: other, actor: "a", state: json("{}"))).version == 2)
        #expect(database.largeWriter(shard: 0).queued == 1)

        try await Self.leave(gates)
        #expect(try await first.value.version == 1)
        #expect(try await second.value.version == 2)
        #expect(above.resources.order.isIdle)
        _ = try await busy.value
        for database in [database, gates] { await database.shutdown() }
    }

    /// It waits for the small changes of its flow that were submitted before it, and for no others.
    @Test func itComesBehindSmallOnes() async throws {
        let running = try await StoreCluster.running()
        let (database, gates) = (try await StoreCluster.open(running.conninfo), try await StoreCluster.open(running.conninfo))
        var limits = Limits()
        limits.batchedChangeBytes = 10_000
        let store = StateStore(database: database, limits: limits, logger: StoreCluster.logger)
        let (flow, others) = (try key(freshTenant(), "flow"), try (0..<3).map { try key(freshTenant(), "other \($0)") })
        let group = database.writer(shard: Shard.of(flow))
        let busy = try await Self.occupy(group, gates)
        let small = Task { try await store.run(SaveCommand(key: flow, actor: "a", state: json("{}"))) }
        while group.queued == 0 { await Task.yield() }
        let large = Task { try await store.run(SaveCommand(key: flow, actor: "a", state: Self.state)) }
        while store.resources.order.isIdle { await Task.yield() }
        // Whatever was submitted first, both had the time to be sent.
        for other in others { _ = try await store.run(SaveCommand(key: other, actor: "a", state: Self.state)) }
        #expect(!store.resources.order.isIdle && group.queued == 1)
        try await Self.leave(gates)
        #expect(try await small.value.version == 1)
        #expect(try await large.value.version == 2)
        _ = try await busy.value
        for database in [database, gates] { await database.shutdown() }
    }

    /// A transaction on the connection group's only connection, which waits until `leave`.
    private static func occupy(_ group: ConnectionGroup, _ gates: Database) async throws -> Task<Int, any Error> {
        _ = try await gates.writer(shard: 0).run(script("SELECT pg_advisory_lock(\(gate))"))
        let busy = Task {
            try await group.run(script("SELECT set_config('lock_timeout', '60s', true), pg_advisory_xact_lock(\(gate))"))
        }
        let waits = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = \(gate) AND NOT granted"
        while try await gates.writer(shard: 0).run(script(waits)) == 0 { await Task.yield() }
        return busy
    }

    private static func leave(_ gates: Database) async throws {
        _ = try await gates.writer(shard: 0).run(script("SELECT pg_advisory_unlock(\(gate))"))
    }

    private static func script(_ sql: String) -> StatementList<Int> {
        let statement = Postgres.Statement(name: sql, sql: sql, parameterTypes: [])
        var script = StatementList(statements: [(statement, Parameters())]) { results throws(PostgresError) in results[0].count }
        script.affinity = .exclusive
        return script
    }
}

extension LargeChangeTests {
    /// Changes of a flow keep the order in which they came, also the first ones of a tenant, which wait until its definitions are known.
    @Test func theFirstChangesOfATenantKeepTheirOrder() async throws {
        let store = try await StoreCluster.store()
        for _ in 0..<30 {
            let flow = try key(freshTenant(), "flow")
            let small = (0..<4).map { json("[\($0)]") }
            let states = [Self.state, small[0], small[1], Self.state, small[2], small[3]]
            let (versions, continuation) = AsyncStream.makeStream(of: (Int, Result<FlowVersion, StateError>).self)
            // As calls of one connection come: a large one takes its place at once, and is read on a thread.
            for (place, state) in states.enumerated() {
                let command = SaveCommand(key: flow, actor: "a", state: state)
                let done: @Sendable (Result<SavedVersion, StateError>) -> Void = { continuation.yield((place, $0.map(\.version))) }
                guard state.count > 1_000 else {
                    store.run(command, context: OperationContext(), completion: done)
                    continue
                }
                let context = store.placed(OperationContext(), flow)
                store.schedule(
                    .short, context,
                    { (result: Result<Void, StateError>) in
                        if case .failure(let error) = result { done(.failure(error)) }
                    }
                ) {
                    store.run(command, context: context, completion: done)
                }
            }
            var found: [Int: FlowVersion] = [:]
            for await (place, version) in versions {
                found[place] = try version.get()
                if found.count == states.count { break }
            }
            #expect(states.indices.map { found[$0] } == states.indices.map { Int64($0 + 1) })
        }
    }
}
