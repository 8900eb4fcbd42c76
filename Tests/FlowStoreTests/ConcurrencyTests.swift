import Dispatch
import FlowModel
import Postgres
import Resources
import Synchronization
import Testing

@testable import FlowStore

/// Two server instances (two sets of connections) on one database.
struct ConcurrencyTests {
    private func withTwoStores(_ body: ([StateStore]) async throws -> Void) async throws {
        let running = try await StoreCluster.running()
        let database = try await StoreCluster.open(running.conninfo)
        let other = StateStore(database: database, limits: Limits(), logger: StoreCluster.logger)
        do {
            try await body([running.store, other])
        } catch {
            await database.shutdown()
            throw error
        }
        await database.shutdown()
    }

    /// Loads, adds one, saves with the version that was loaded, until that many saves were acknowledged.
    private func increment(_ store: StateStore, _ key: FlowKey, times: Int) async throws -> Int {
        var conflicts = 0
        var done = 0
        while done < times {
            let snapshot = try await store.snapshot(key)
            let count = try #require(Int(String(decoding: snapshot.state, as: UTF8.self)))
            let save = SaveCommand(
                key: key, actor: "a", state: json("\(count + 1)"), precondition: .expected(snapshot.head.version))
            do {
                _ = try await store.run(save)
                done += 1
            } catch {
                guard case .versionConflict(_, let expected, let actual) = error else { throw error }
                #expect(actual > expected)
                conflicts += 1
            }
        }
        return conflicts
    }

    @Test func sixtyFourWritersLoseNothing() async throws {
        try await withTwoStores { stores in
            let tenant = freshTenant()
            let keys = try (0..<8).map { try key(tenant, "flow \($0)") }
            for key in keys { _ = try await stores[0].run(SaveCommand(key: key, actor: "a", state: json("0"))) }
            let conflicts = try await withThrowingTaskGroup(of: Int.self) { group in
                for writer in 0..<64 {
                    group.addTask { try await increment(stores[writer % 2], keys[writer % 8], times: 5) }
                }
                return try await group.reduce(0, +)
            }
            #expect(conflicts > 0)
            for key in keys {
                let snapshot = try await stores[1].snapshot(key)
                #expect(snapshot.state == json("40") && snapshot.head.version == 41)
                let versions = try await stores[0].run(ListVersionsCommand(key: key, newestFirst: false, pageSize: 100)).elements.map(
                    \.record)
                #expect(versions.map(\.version) == Array(1...41))
                #expect(zip(versions, versions.dropFirst()).allSatisfy { $0.createdAt <= $1.createdAt })
            }
        }
    }

    @Test func oneOfManyCreatesWins() async throws {
        try await withTwoStores { stores in
            for round in 0..<20 {
                let key = try key(freshTenant(), "f")
                let outcomes = await withTaskGroup(of: StateError?.self) { group in
                    for index in 0..<8 {
                        group.addTask {
                            let create = SaveCommand(key: key, actor: "\(index)", state: json("{}"), precondition: .expected(0))
                            return await refusal { try await stores[index % 2].run(create) }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(outcomes.filter { $0 == nil }.count == 1, "round \(round)")
                #expect(outcomes.allSatisfy { $0 == nil || $0 == .versionConflict(flowID: "f", expected: 0, actual: 1) })
            }
        }
    }

    @Test func appendsNeverConflict() async throws {
        try await withTwoStores { stores in
            let key = try key(freshTenant(), "f")
            let versions = try await withThrowingTaskGroup(of: FlowVersion.self) { group in
                for index in 0..<100 {
                    group.addTask {
                        try await stores[index % 2].run(SaveCommand(key: key, actor: "a", state: json("\(index)"))).version
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(versions.sorted() == Array(1...100))
        }
    }

    @Test func oneIdempotencyKeyIsAppliedOnce() async throws {
        try await withTwoStores { stores in
            for precondition in [Precondition.none, .expected(0), .expected(1)] {
                for round in 0..<10 {
                    let key = try key(freshTenant(), "f")
                    let first: FlowVersion = precondition == .expected(1) ? 2 : 1
                    if first == 2 { _ = try await stores[0].run(SaveCommand(key: key, actor: "a", state: json("0"))) }
                    let saved = try await withThrowingTaskGroup(of: SavedVersion.self) { group in
                        for index in 0..<6 {
                            group.addTask {
                                var save = SaveCommand(key: key, actor: "a", state: json("1"), precondition: precondition)
                                save.idempotencyKey = "k"
                                return try await stores[index % 2].run(save)
                            }
                        }
                        return try await group.reduce(into: []) { $0.append($1) }
                    }
                    #expect(saved.filter { !$0.replayed }.count == 1, "\(precondition), round \(round)")
                    #expect(saved.allSatisfy { $0.version == first })
                    #expect(try await stores[0].snapshot(key).head.version == first)
                }
            }
        }
    }

    @Test func oneCheckpointNameIsMadeOnce() async throws {
        try await withTwoStores { stores in
            let key = try key(freshTenant(), "f")
            _ = try await stores[0].run(SaveCommand(key: key, actor: "a", state: json("0")))
            let outcomes = await withTaskGroup(of: StateError?.self) { group in
                for index in 0..<20 {
                    group.addTask {
                        await refusal {
                            let checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "point")
                            if index % 4 < 2 {
                                _ = try await stores[index % 2].run(
                                    CreateCheckpointCommand(key: key, actor: "a", checkpoint: checkpoint))
                            } else {
                                var save = SaveCommand(key: key, actor: "a", state: json("0"))
                                save.checkpoint = checkpoint
                                _ = try await stores[index % 2].run(save)
                            }
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 == nil }.count == 1)
            #expect(outcomes.allSatisfy { $0 == nil || $0 == .checkpointAlreadyExists(flowID: "f", checkpoint: "point") })
        }
    }

    @Test func restoresAndDeletesAreCountedToo() async throws {
        try await withTwoStores { stores in
            let key = try key(freshTenant(), "f")
            var save = SaveCommand(key: key, actor: "a", state: json("0"))
            save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "point")
            _ = try await stores[0].run(save)
            let acknowledged = try await withThrowingTaskGroup(of: FlowVersion?.self) { group in
                for index in 0..<60 {
                    group.addTask { try await change(stores[index % 2], key, index) }
                }
                return try await group.reduce(into: []) { $0.append($1) }.compactMap { $0 }
            }
            let versions = try await stores[0].run(ListVersionsCommand(key: key, newestFirst: false, pageSize: 100)).elements.map(\.record)
            #expect(versions.map(\.version) == [1] + acknowledged.sorted())
            #expect(versions.last?.kind == .deleted)
        }
    }

    /// A save, a restore or the one delete; nil when the flow was deleted before.
    private func change(_ store: StateStore, _ key: FlowKey, _ index: Int) async throws -> FlowVersion? {
        do throws(StateError) {
            if index == 50 { return try await store.run(DeleteFlowCommand(key: key, actor: "a")).version }
            if index % 3 == 0 { return try await store.run(RestoreCheckpointCommand(key: key, actor: "a", checkpoint: "point")).version }
            return try await store.run(SaveCommand(key: key, actor: "a", state: json("\(index)"))).version
        } catch {
            if error == .flowNotFound(flowID: key.flowID, deleted: true) { return nil }
            throw error
        }
    }

    @Test func attemptsOfOneChangeDoNotAddUpInMemory() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        let state = json("\"\(String((0..<100_000).map { _ in Character(UnicodeScalar(UInt8.random(in: 97...122))) }))\"")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: state))
        let account = MemoryAccount(MemoryBudget(limit: 64 << 20))
        let reserved = Mutex<[Int]>([])
        let derived = DerivedSave<Void>(
            key: key, precondition: .none, idempotencyKey: nil, requestDigest: [], trigger: .patch, needsDefinition: false, input: []
        ) { snapshot, _, _ throws(StateError) in
            let attempt = reserved.withLock { reserved in
                reserved.append(account.reserved)
                return reserved.count
            }
            if attempt < 6 {
                // Another save comes in between.
                let saved = DispatchSemaphore(value: 0)
                let save = SaveCommand(key: key, actor: "b", state: state)
                try save.run(on: store, context: OperationContext()) { _ in saved.signal() }
                saved.wait()
            }
            return (SaveCommand(key: key, actor: "a", state: state), ())
        }
        let outcome = try await derived.run(on: store, for: OperationContext(memory: account))
        guard case .saved(let saved, _, _, _, _) = outcome else { throw StateError.internalFault("replayed") }
        #expect(saved.version == 7)
        let attempts = reserved.withLock { $0 }
        #expect(attempts.count == 6)
        #expect(attempts.allSatisfy { $0 <= attempts[0] + 1_000 }, "\(attempts)")
    }
}
