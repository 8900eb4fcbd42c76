import FlowModel
import FlowStore
import TestSupport
import Testing

/// Random commands, one after the other, given to the store and to an oracle: same answers, same flows in the end.
struct OracleTests {
    private struct Run {
        let store: StateStore
        let tenant: String
        var random: SeededGenerator
        var oracle = FlowOracle()

        mutating func pick<Value>(_ values: [Value]) -> Value {
            values[Int.random(in: values.indices, using: &random)]
        }

        mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

        mutating func precondition(_ flowID: String) -> Precondition {
            let version = oracle.flows[flowID]?.version ?? 0
            return pick([.none, .anyVersion, .expected(version), .expected(version), .expected(max(0, version - 1)), .expected(0)])
        }
    }

    @Test func theStoreAnswersAsTheOracle() async throws {
        let seed = UInt64.random(in: 1 ... .max)
        var run = Run(store: try await StoreCluster.store(), tenant: freshTenant(), random: SeededGenerator(seed: seed))
        for step in 0..<1_500 {
            let key = try key(run.tenant, "flow \(Int.random(in: 0..<6, using: &run.random)) \(step / 300)")
            let (expected, actual) = try await command(&run, key)
            #expect(Self.normal(actual) == Self.normal(expected), "seed \(seed), step \(step)")
        }
        try await compare(run, seed)
    }

    private func command(
        _ run: inout Run, _ key: FlowKey
    ) async throws -> (Result<FlowVersion, StateError>, Result<FlowVersion, StateError>) {
        switch Int.random(in: 0..<100, using: &run.random) {
        case 0..<70:
            let save = try save(&run, key)
            return (run.oracle.save(save), await outcome { () throws(StateError) in try await run.store.run(save).version })
        case 70..<74:
            var delete = DeleteFlowCommand(key: key, actor: "a", precondition: run.precondition(key.flowID))
            if case .expected(0) = delete.precondition { delete.precondition = .none }
            let command = delete
            return (run.oracle.delete(command), await outcome { () throws(StateError) in try await run.store.run(command).version })
        case 74..<84:
            var restore = RestoreCheckpointCommand(
                key: key, actor: "a", checkpoint: run.pick(["p", "q", "r"]), precondition: run.precondition(key.flowID))
            if case .expected(0) = restore.precondition { restore.precondition = .anyVersion }
            if run.chance(20) { restore.idempotencyKey = "r\(Int.random(in: 0..<20, using: &run.random))" }
            let command = restore
            return (run.oracle.restore(command), await outcome { () throws(StateError) in try await run.store.run(command).version })
        case 84..<94:
            let name = run.pick(["p", "q", "r"])
            let command = CreateCheckpointCommand(
                key: key, actor: "a", checkpoint: CheckpointRequest(id: IDGenerator.next(), name: name),
                version: run.pick([nil, 1, 2, 9]))
            return (run.oracle.checkpoint(command), await outcome { () throws(StateError) in try await run.store.run(command).version })
        default:
            let command = DeleteCheckpointCommand(key: key, actor: "a", checkpoint: run.pick(["p", "q", "r"]))
            return (
                run.oracle.deleteCheckpoint(command), await outcome { () throws(StateError) in try await run.store.run(command).version }
            )
        }
    }

    private func save(_ run: inout Run, _ key: FlowKey) throws -> SaveCommand {
        var save = SaveCommand(
            key: key, actor: "a", state: json("{\"n\":\(Int.random(in: 0..<3, using: &run.random))}"),
            precondition: run.precondition(key.flowID))
        if case .expected(0) = save.precondition, run.chance(50) { save.kind = .created }
        if run.chance(10) { save.flowType = run.pick(["", "t"]) }
        if run.chance(30) { save.phase = run.pick(["one", "two", ""]) }
        if run.chance(20) { save.labels = Labels(["l": run.pick(["v", "w", "\""])]) }
        if run.chance(20) { save.versionLabel = run.pick(["x", "y"]) }
        if run.chance(20) { save.metadata = json("{}") }
        if run.chance(10), save.precondition != .expected(0) { save.parentVersion = run.pick([1, 2, 50]) }
        if run.chance(15) { save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: run.pick(["p", "q", "r"])) }
        if run.chance(15) { save.idempotencyKey = "s\(Int.random(in: 0..<40, using: &run.random))" }
        return save
    }

    private func outcome(_ body: () async throws(StateError) -> FlowVersion) async -> Result<FlowVersion, StateError> {
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }

    /// Messages for people are not compared.
    private static func normal(_ result: Result<FlowVersion, StateError>) -> Result<FlowVersion, StateError> {
        guard case .failure(.invalidArgument(let field, _)) = result else { return result }
        return .failure(.invalidArgument(field: field, message: ""))
    }

    private func compare(_ run: Run, _ seed: UInt64) async throws {
        for (id, flow) in run.oracle.flows {
            let key = try key(run.tenant, id)
            let records = try await run.store.run(ListVersionsCommand(key: key, newestFirst: false, pageSize: 1_000)).elements.map(\.record)
            var versions: [FlowOracle.Version] = []
            for record in records {
                let snapshot = try await run.store.snapshot(key, .version(record.version))
                #expect(snapshot.version == record)
                versions.append(
                    FlowOracle.Version(
                        kind: record.kind, parent: record.parentVersion, state: snapshot.state, phase: record.phase,
                        label: record.versionLabel, metadata: record.metadata))
                let head = snapshot.head
                #expect(head.version == flow.version && head.isDeleted == flow.isDeleted && head.flowType == flow.type)
                #expect(head.labels == flow.labels && head.phase == flow.phase, "seed \(seed), \(id)")
            }
            #expect(versions == flow.versions, "seed \(seed), \(id)")
            let checkpoints = try await run.store.run(ListCheckpointsCommand(key: key)).elements
            #expect(Dictionary(uniqueKeysWithValues: checkpoints.map { ($0.name ?? "", $0.version) }) == flow.checkpoints, "seed \(seed)")
        }
        var list = ListFlowsCommand(tenant: run.tenant, pageSize: 1_000)
        list.filter.includeDeleted = true
        #expect(try await run.store.run(list).elements.count == run.oracle.flows.count)
    }
}
