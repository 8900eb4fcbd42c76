import FlowModel
import Postgres
import TestSupport
import Testing

@testable import FlowStore

/// Many commands at once: those of one flow have the outcome that they would have one after the other, however they share batches.
struct BurstTests {
    private func submit(_ store: StateStore, _ commands: [SaveCommand]) async -> [Result<SavedVersion, StateError>] {
        let (stream, continuation) = AsyncStream.makeStream(of: (Int, Result<SavedVersion, StateError>).self)
        for (index, command) in commands.enumerated() {
            store.run(command, context: OperationContext()) { continuation.yield((index, $0)) }
        }
        var results = [Result<SavedVersion, StateError>](repeating: .failure(.cancelled), count: commands.count)
        var count = 0
        for await (index, result) in stream {
            results[index] = result
            count += 1
            if count == commands.count { break }
        }
        return results
    }

    @Test func aBurstAnswersAsTheOracle() async throws {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        var oracle = FlowOracle()
        for burst in 0..<60 {
            var commands: [SaveCommand] = []
            var expected: [Result<FlowVersion, StateError>] = []
            for number in 0..<Int.random(in: 1...80, using: &random) {
                let flow = "flow \(Int.random(in: 0..<8, using: &random)) \(burst / 10)"
                let command = try save(tenant, flow, oracle, "\(burst) \(number)", &random)
                commands.append(command)
                expected.append(oracle.save(command))
            }
            let results = await submit(store, commands)
            for (index, result) in results.enumerated() {
                #expect(
                    Self.normal(result.map(\.version)) == Self.normal(expected[index]),
                    "seed \(seed), burst \(burst), \(index): \(commands[index].precondition)")
            }
        }
        for (id, flow) in oracle.flows {
            let key = try key(tenant, id)
            for (index, version) in flow.versions.enumerated() {
                let snapshot = try await store.snapshot(key, .version(FlowVersion(index + 1)))
                #expect(snapshot.state == version.state && snapshot.version.phase == version.phase, "seed \(seed), \(id), \(index + 1)")
                #expect(snapshot.version.kind == version.kind && snapshot.version.parentVersion == version.parent)
                #expect(snapshot.head.labels == flow.labels && snapshot.head.flowType == flow.type)
            }
            let known = try await store.snapshot(key)
            let read = try await StateStore(
                database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger
            ).snapshot(key)
            #expect(known == read, "what is known is what is stored: seed \(seed), \(id)")
        }
    }

    private func save(
        _ tenant: String, _ flow: String, _ oracle: FlowOracle, _ name: String, _ random: inout SeededGenerator
    ) throws -> SaveCommand {
        let version = oracle.flows[flow]?.version ?? 0
        let preconditions: [Precondition] = [.none, .none, .anyVersion, .expected(version), .expected(max(0, version - 1)), .expected(0)]
        var save = SaveCommand(
            key: try key(tenant, flow), actor: "a", state: json("{\"name\":\"\(name)\"}"),
            precondition: preconditions[Int.random(in: 0..<6, using: &random)])
        if save.precondition == .expected(0), Bool.random(using: &random) { save.kind = .created }
        switch Int.random(in: 0..<14, using: &random) {
        case 0: save.phase = "phase \(name)"
        case 1: save.status = "status \(name)"
        case 2: save.progress = Double.random(in: 0...100, using: &random)
        case 3: save.labels = Labels(["l": name])
        case 4: save.flowType = ["", "t"][Int.random(in: 0..<2, using: &random)]
        case 5: save.versionLabel = name
        case 6: save.metadata = json("{}")
        case 7: save.idempotencyKey = "\(flow) \(Int.random(in: 0..<20, using: &random))"
        case 8: save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "p\(Int.random(in: 0..<3, using: &random))")
        case 9 where save.precondition != .expected(0): save.parentVersion = 1
        default: break
        }
        return save
    }

    private static func normal(_ result: Result<FlowVersion, StateError>) -> Result<FlowVersion, StateError> {
        guard case .failure(.invalidArgument(let field, _)) = result else { return result }
        return .failure(.invalidArgument(field: field, message: ""))
    }

    /// Saves that lose hear of the version that is there, also when another server has made it, or has deleted the flow.
    @Test func savesThatLoseHearOfTheNewestVersion() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let other = StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger)
        let flows = try (0..<4).map { try key(tenant, "flow \($0)") }
        for flow in flows { for _ in 0..<3 { _ = try await store.run(SaveCommand(key: flow, actor: "a", state: json("{}"))) } }
        _ = try await other.run(SaveCommand(key: flows[1], actor: "b", state: json("{}")))
        _ = try await other.run(DeleteFlowCommand(key: flows[2], actor: "b"))
        let commands = (0..<120).map { number in
            let wins = number >= 100 && number % 4 == 3
            let expected = wins ? 3 + FlowVersion(number - 103) / 4 : 1 + FlowVersion(number % 2)
            return SaveCommand(key: flows[number % 4], actor: "a", state: json("\(number)"), precondition: .expected(expected))
        }
        for (number, result) in await submit(store, commands).enumerated() {
            let expected = commands[number].precondition.expectedVersion ?? 0
            switch number % 4 {
            case 0: #expect(result == .failure(.versionConflict(flowID: "flow 0", expected: expected, actual: 3)))
            case 1: #expect(result == .failure(.versionConflict(flowID: "flow 1", expected: expected, actual: 4)))
            case 2: #expect(result == .failure(.flowNotFound(flowID: "flow 2", deleted: true)))
            default:
                if number >= 100 {
                    #expect(try result.get().version == expected + 1)
                } else {
                    #expect(result == .failure(.versionConflict(flowID: "flow 3", expected: expected, actual: 3)))
                }
            }
        }
        #expect(try await other.snapshot(flows[3]).version.version == 8)
    }

    @Test func oneKeyForManyFlowsIsUsedOnce() async throws {
        let tenant = freshTenant()
        let commands = try (0..<40).map { flow in
            var command = SaveCommand(key: try key(tenant, "\(flow)"), actor: "a", state: json("{}"))
            command.precondition = .expected(0)
            command.idempotencyKey = "the key"
            return command
        }
        let results = await submit(try await StoreCluster.store(), commands)
        let saved = results.filter { if case .success = $0 { true } else { false } }
        #expect(saved.count == 1)
        for case .failure(let error) in results { #expect(error == .idempotencyKeyReused(key: "the key")) }
    }

    @Test func retriesInOneBurstAreAppliedOnce() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        let commands = (0..<40).map { _ in
            var command = SaveCommand(key: key, actor: "a", state: json("{}"))
            command.idempotencyKey = "the key"
            return command
        }
        let results = await submit(store, commands)
        #expect(results.compactMap { try? $0.get().version } == [FlowVersion](repeating: 1, count: 40))
        #expect(results.filter { (try? $0.get().replayed) == false }.count == 1)
        #expect(try await store.snapshot(key).version.version == 1)
    }

    // MARK: What servers know of each other

    @Test func aLoadSeesWhatAnotherServerDid() async throws {
        let stores = [
            try await StoreCluster.store(),
            StateStore(database: try await StoreCluster.running().database, limits: .defaults, logger: StoreCluster.logger),
        ]
        let key = try key(freshTenant(), "f")
        for round in 0..<20 {
            let state = json("{\"round\":\(round)}")
            let version = try await stores[round % 2].run(SaveCommand(key: key, actor: "a", state: state)).version
            for store in stores { #expect(try await store.snapshot(key).state == state, "round \(round)") }
            if round % 3 == 0 {
                let checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "c\(round)")
                _ = try await stores[(round + 1) % 2].run(CreateCheckpointCommand(key: key, actor: "a", checkpoint: checkpoint))
                for store in stores { #expect(try await store.snapshot(key).version.checkpoints == ["c\(round)"]) }
                _ = try await stores[round % 2].run(DeleteCheckpointCommand(key: key, actor: "a", checkpoint: "c\(round)"))
                for store in stores { #expect(try await store.snapshot(key).version.checkpoints == []) }
            }
            let unchanged = try await stores[0].run(LoadCommand(key: key, ifVersionNot: version))
            guard case .unchanged(let head, let record) = unchanged else {
                Issue.record("a state was sent that the client has")
                continue
            }
            #expect(head.version == version && record.version == version)
        }
        _ = try await stores[1].run(DeleteFlowCommand(key: key, actor: "a"))
        for store in stores {
            #expect(await refusal { try await store.snapshot(key) } == .flowNotFound(flowID: "f", deleted: true))
        }
    }
}
