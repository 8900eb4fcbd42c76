import FlowModel
import FlowStore
import Testing

struct SaveTests {
    @Test func versionsCountUpAndTheHeadFollows() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        var save = SaveCommand(key: key, actor: "ann", state: json("{\"n\":1}"))
        save.flowType = "discovery"
        save.phase = "initialization"
        save.status = "running"
        save.progress = 12.5
        save.labels = Labels(["team": "core", "quote\"d": "back\\slash", "é": "naïve 🦊"])
        save.versionLabel = "first"
        save.metadata = json("{\"by\":\"test\"}")
        let first = try await store.run(save)
        #expect(first.version == 1 && first.flowID == "f" && first.digest.count == 16 && !first.replayed)

        let second = try await store.run(SaveCommand(key: key, actor: "bob", state: json("{\"n\":2}")))
        #expect(second.version == 2 && second.createdAt >= first.createdAt)

        let snapshot = try await store.snapshot(key)
        #expect(snapshot.state == json("{\"n\":2}"))
        #expect(snapshot.head.version == 2 && snapshot.head.flowType == "discovery" && snapshot.head.phase == "initialization")
        #expect(snapshot.head.status == "running" && snapshot.head.progress == 12.5 && snapshot.head.labels == save.labels)
        #expect(snapshot.head.createdAt == first.createdAt && snapshot.head.updatedAt == second.createdAt)
        #expect(snapshot.version.kind == .saved && snapshot.version.parentVersion == 1 && snapshot.version.actor == "bob")
        #expect(snapshot.version.metadata.isEmpty && snapshot.version.versionLabel == nil)

        let old = try await store.snapshot(key, .version(1))
        #expect(old.state == json("{\"n\":1}") && old.version.kind == .created && old.version.parentVersion == nil)
        #expect(old.version.metadata == save.metadata && old.version.versionLabel == "first" && old.head.version == 2)
    }

    @Test func expectedVersionDecides() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        func save(_ precondition: Precondition) async throws -> FlowVersion {
            try await store.run(SaveCommand(key: key, actor: "a", state: json("{}"), precondition: precondition)).version
        }
        #expect(await refusal { try await save(.expected(3)) } == .versionConflict(flowID: "f", expected: 3, actual: 0))
        #expect(try await save(.expected(0)) == 1)
        #expect(await refusal { try await save(.expected(0)) } == .versionConflict(flowID: "f", expected: 0, actual: 1))
        #expect(try await save(.expected(1)) == 2)
        #expect(await refusal { try await save(.expected(1)) } == .versionConflict(flowID: "f", expected: 1, actual: 2))
        #expect(await refusal { try await save(.expected(9)) } == .versionConflict(flowID: "f", expected: 9, actual: 2))
        #expect(try await save(.anyVersion) == 3)
        #expect(try await save(.none) == 4)
        #expect(try await store.run(ListVersionsCommand(key: key)).elements.map(\.version) == [4, 3, 2, 1])
    }

    @Test func createRefusesWhatIsThereOrWas() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        let create = SaveCommand.create(key: key, hasGeneratedFlowID: false, actor: "a", state: json("{}"))
        #expect(try await store.run(create).version == 1)
        #expect(await refusal { try await store.run(create) } == .flowAlreadyExists(flowID: "f", version: 1, deleted: false))
        _ = try await store.run(DeleteFlowCommand(key: key, actor: "a"))
        #expect(await refusal { try await store.run(create) } == .flowAlreadyExists(flowID: "f", version: 2, deleted: true))
    }

    @Test func aTombstoneStopsEveryLateSave() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("[1]")))
        #expect(
            await refusal { try await store.run(DeleteFlowCommand(key: key, actor: "a", precondition: .expected(7))) }
                == .versionConflict(flowID: "f", expected: 7, actual: 1))
        let tombstone = try await store.run(DeleteFlowCommand(key: key, actor: "a", precondition: .expected(1)))
        #expect(tombstone.version == 2)
        let gone = StateError.flowNotFound(flowID: "f", deleted: true)
        for precondition in [Precondition.none, .anyVersion, .expected(0), .expected(1), .expected(2)] {
            let save = SaveCommand(key: key, actor: "a", state: json("{}"), precondition: precondition)
            #expect(await refusal { try await store.run(save) } == gone)
        }
        #expect(await refusal { try await store.run(DeleteFlowCommand(key: key, actor: "a")) } == gone)
        #expect(await refusal { try await store.snapshot(key) } == gone)
        #expect(try await store.snapshot(key, .version(1)).state == json("[1]"))
        let deleted = try await store.snapshot(key, .version(2))
        #expect(deleted.version.kind == .deleted && deleted.state.isEmpty && deleted.head.isDeleted)
        #expect(
            await refusal {
                try await store.run(DeleteFlowCommand(key: FlowKey(tenant: key.tenant, flowID: "none", limits: .defaults), actor: "a"))
            }
                == .flowNotFound(flowID: "none", deleted: false))
    }

    @Test func aFlowKeepsItsType() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        var save = SaveCommand(key: key, actor: "a", state: json("{}"))
        save.flowType = "one"
        _ = try await store.run(save)
        _ = try await store.run(save)
        save.flowType = "two"
        for precondition in [Precondition.none, .expected(2)] {
            save.precondition = precondition
            guard case .invalidArgument(field: "flow_type", _) = await refusal({ try await store.run(save) }) else {
                Issue.record("another type was taken")
                return
            }
        }
        #expect(try await store.snapshot(key).head.flowType == "one")
    }

    @Test func aParentMustExist() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        var save = SaveCommand(key: key, actor: "a", state: json("{}"))
        save.parentVersion = 1
        #expect(await refusal { try await store.run(save) } == .flowNotFound(flowID: "f", deleted: false))
        save.parentVersion = nil
        for _ in 1...3 { _ = try await store.run(save) }
        save.parentVersion = 1
        #expect(try await store.run(save).version == 4)
        #expect(try await store.snapshot(key).version.parentVersion == 1)
        save.parentVersion = 5
        guard case .invalidArgument(field: "parent_version", _) = await refusal({ try await store.run(save) }) else {
            Issue.record("a parent from the future was taken")
            return
        }
    }

    @Test func aConflictDoesNotFailItsNeighbours() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        _ = try await store.run(SaveCommand(key: key(tenant, "0"), actor: "a", state: json("{}")))
        let outcomes = await withTaskGroup(of: StateError?.self) { group in
            for index in 0..<40 {
                group.addTask {
                    await refusal {
                        try await store.run(
                            SaveCommand(
                                key: key(tenant, "\(index % 20)"), actor: "a", state: json("{}"),
                                precondition: index < 20 && index > 0 ? .expected(0) : .expected(77)))
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == nil }.count == 19)
    }

    @Test func unchangedIsNotSentAgain() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{}")))
        let unchanged = try await store.run(LoadCommand(key: key, ifVersionNot: 1))
        guard case .unchanged(let head, let version) = unchanged else {
            Issue.record("the state was sent")
            return
        }
        #expect(head.version == 1 && version.version == 1)
        guard case .snapshot = try await store.run(LoadCommand(key: key, ifVersionNot: 2)) else {
            Issue.record("no state was sent")
            return
        }
    }
}
