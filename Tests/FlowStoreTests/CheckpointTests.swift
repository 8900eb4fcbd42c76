import FlowModel
import FlowStore
import JSON
import Postgres
import Testing

struct CheckpointTests {
    private func flow(_ store: StateStore, _ tenant: String, versions: Int) async throws -> FlowKey {
        let key = try key(tenant, "f")
        for number in 1...versions {
            var save = SaveCommand(key: key, actor: "a", state: json("\(number)"))
            save.phase = "phase \(number)"
            save.progress = Double(number)
            save.versionLabel = number % 2 == 1 ? "odd" : nil
            _ = try await store.run(save)
        }
        return key
    }

    /// Checkpoints that share a batch are those that would be made one after the other, and what cannot be made says why.
    @Test func manyAtOnceAreAsOneByOne() async throws {
        let (store, tenant) = (try await StoreCluster.store(), freshTenant())
        let flows = try (0..<60).map { try key(tenant, "flow \($0)") }
        for (number, flow) in flows.enumerated() where number % 10 != 9 {
            for version in 1...3 { _ = try await store.run(SaveCommand(key: flow, actor: "a", state: json("\(version)"))) }
            if number % 10 == 8 { _ = try await store.run(DeleteFlowCommand(key: flow, actor: "a")) }
            let taken = CheckpointRequest(id: IDGenerator.next(), name: "taken")
            if number % 10 == 7 { _ = try await store.run(CreateCheckpointCommand(key: flow, actor: "a", checkpoint: taken)) }
        }

        let results = await withTaskGroup(of: (Int, Result<CheckpointRecord, StateError>).self) { group in
            for (number, flow) in flows.enumerated() {
                let name = number % 10 == 7 ? "taken" : number % 10 == 6 ? nil : "é \(number)"
                let version: FlowVersion? = number % 10 == 5 ? 4 : number % 10 == 4 ? 1 : nil
                let request = CheckpointRequest(id: IDGenerator.next(), name: name, description: number % 2 == 0 ? "" : "why")
                let command = CreateCheckpointCommand(key: flow, actor: "ann", checkpoint: request, version: version)
                group.addTask {
                    do throws(StateError) {
                        let record = try await store.run(command)
                        #expect(record.id == request.id && record.name == name && record.description == request.description)
                        return (number, .success(record))
                    } catch {
                        return (number, .failure(error))
                    }
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (number, flow) in flows.enumerated() {
            let (id, result) = (flow.flowID, try #require(results[number]))
            switch number % 10 {
            case 9: #expect(result == .failure(.flowNotFound(flowID: id, deleted: false)))
            case 8: #expect(result == .failure(.flowNotFound(flowID: id, deleted: true)))
            case 7: #expect(result == .failure(.checkpointAlreadyExists(flowID: id, checkpoint: "taken")))
            case 5: #expect(result == .failure(.versionNotFound(flowID: id, selector: "version 4")))
            default:
                let record = try result.get()
                #expect(record.version == (number % 10 == 4 ? 1 : 3) && record.actor == "ann")
                #expect(try await store.run(ListCheckpointsCommand(key: flow)).elements == [record])
                let names = [record.name ?? record.id]
                #expect(try await store.snapshot(flow, .checkpoint(record.id)).version.checkpoints == names)
                #expect(try await store.snapshot(flow).version.checkpoints == (number % 10 == 4 ? [] : names), "what is cached knows")
            }
        }
        let audit = try await StoreCluster.sql(
            "SELECT count(*), count(DISTINCT detail->>'checkpoint_id') FROM flowstate.flow_event WHERE tenant = $1 AND actor = 'ann'",
            [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in [try rows.int64(0, 0), try rows.int64(0, 1)] })
        #expect(audit == [36, 36])
    }

    @Test func aCheckpointNamesAVersion() async throws {
        let store = try await StoreCluster.store()
        let key = try await flow(store, freshTenant(), versions: 3)
        let named = try await store.run(
            CreateCheckpointCommand(
                key: key, actor: "ann", checkpoint: CheckpointRequest(id: IDGenerator.next(), name: "good", description: "line\ntwo"),
                version: 2))
        #expect(named.version == 2 && named.name == "good" && named.description == "line\ntwo" && named.actor == "ann")
        let latest = try await store.run(
            CreateCheckpointCommand(key: key, actor: "a", checkpoint: CheckpointRequest(id: IDGenerator.next())))
        #expect(latest.version == 3 && latest.name == nil)

        #expect(try await store.snapshot(key, .checkpoint("good")).version.version == 2)
        #expect(try await store.snapshot(key, .checkpoint(named.id)).version.version == 2)
        #expect(try await store.snapshot(key, .checkpoint(latest.id)).version.checkpoints == [latest.id])
        #expect(try await store.run(ListCheckpointsCommand(key: key)).elements == [latest, named])
        #expect(
            await refusal { try await store.snapshot(key, .checkpoint("bad")) } == .checkpointNotFound(flowID: "f", checkpoint: "bad"))

        let request = CheckpointRequest(id: IDGenerator.next(), name: "good")
        #expect(
            await refusal { try await store.run(CreateCheckpointCommand(key: key, actor: "a", checkpoint: request)) }
                == .checkpointAlreadyExists(flowID: "f", checkpoint: "good"))
        #expect(
            await refusal {
                try await store.run(CreateCheckpointCommand(key: key, actor: "a", checkpoint: CheckpointRequest(id: "x"), version: 9))
            } == .versionNotFound(flowID: "f", selector: "version 9"))

        #expect(try await store.run(DeleteCheckpointCommand(key: key, actor: "a", checkpoint: "good")) == named)
        #expect(
            await refusal { try await store.run(DeleteCheckpointCommand(key: key, actor: "a", checkpoint: "good")) }
                == .checkpointNotFound(flowID: "f", checkpoint: "good"))
        let audit = try await StoreCluster.sql(
            "SELECT kind, detail->>'name' FROM flowstate.flow_event WHERE tenant = $1 ORDER BY event_id", [.text],
            { $0.append(key.tenant) },
            read: { rows throws(PostgresError) in
                var lines: [String] = []
                for row in 0..<rows.count { lines.append("\(try rows.text(row, 0)) \(try rows.textIfPresent(row, 1) ?? "-")") }
                return lines
            })
        #expect(audit == ["checkpoint_created good", "checkpoint_created -", "checkpoint_deleted good"])
    }

    @Test func aNameWinsOverAnID() async throws {
        let store = try await StoreCluster.store()
        let key = try await flow(store, freshTenant(), versions: 2)
        let first = try await store.run(
            CreateCheckpointCommand(key: key, actor: "a", checkpoint: CheckpointRequest(id: IDGenerator.next()), version: 1))
        _ = try await store.run(
            CreateCheckpointCommand(
                key: key, actor: "a", checkpoint: CheckpointRequest(id: IDGenerator.next(), name: first.id), version: 2))
        #expect(try await store.snapshot(key, .checkpoint(first.id)).version.version == 2)
    }

    @Test func aSaveMakesItsCheckpointInTheSameCommit() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        for (precondition, name) in [(Precondition.expected(0), "a"), (.expected(1), "b"), (.none, "c")] {
            var save = SaveCommand(key: key, actor: "a", state: json("\"\(name)\""), precondition: precondition)
            save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: name)
            let saved = try await store.run(save)
            #expect(saved.checkpointID == save.checkpoint?.id)
            #expect(try await store.snapshot(key, .checkpoint(name)).version.version == saved.version)
        }
        var save = SaveCommand(key: key, actor: "a", state: json("{}"))
        save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "b")
        #expect(await refusal { try await store.run(save) } == .checkpointAlreadyExists(flowID: "f", checkpoint: "b"))
        #expect(try await store.snapshot(key).head.version == 3)
    }

    @Test func restoreWritesANewVersion() async throws {
        let store = try await StoreCluster.store()
        let key = try await flow(store, freshTenant(), versions: 3)
        _ = try await store.run(
            CreateCheckpointCommand(key: key, actor: "a", checkpoint: CheckpointRequest(id: "id", name: "one"), version: 1))
        var restore = RestoreCheckpointCommand(key: key, actor: "ann", checkpoint: "one", precondition: .expected(3))
        restore.idempotencyKey = "k"
        let restored = try await store.run(restore)
        #expect(restored.version == 4 && restored.restoredVersion == 1 && !restored.replayed)
        let replayed = try await store.run(restore)
        #expect(replayed.version == 4 && replayed.restoredVersion == 1 && replayed.replayed)
        let snapshot = try await store.snapshot(key)
        #expect(snapshot.state == json("1") && snapshot.version.kind == .restored && snapshot.version.parentVersion == 1)
        #expect(snapshot.version.digest == restored.digest && snapshot.version.actor == "ann")
        #expect(snapshot.head.phase == "phase 1" && snapshot.head.progress == 1 && snapshot.head.version == 4)

        restore.idempotencyKey = nil
        #expect(await refusal { try await store.run(restore) } == .versionConflict(flowID: "f", expected: 3, actual: 4))
        restore.precondition = .none
        #expect(try await store.run(restore).version == 5)
        restore.checkpoint = "two"
        #expect(await refusal { try await store.run(restore) } == .checkpointNotFound(flowID: "f", checkpoint: "two"))
        let missing = RestoreCheckpointCommand(
            key: try FlowKey(tenant: key.tenant, flowID: "x", limits: .defaults), actor: "a", checkpoint: "one")
        #expect(await refusal { try await store.run(missing) } == .flowNotFound(flowID: "x", deleted: false))
    }

    @Test func aDeletedFlowKeepsItsCheckpoints() async throws {
        let store = try await StoreCluster.store()
        let key = try await flow(store, freshTenant(), versions: 2)
        _ = try await store.run(
            CreateCheckpointCommand(key: key, actor: "a", checkpoint: CheckpointRequest(id: "id", name: "one"), version: 1))
        _ = try await store.run(DeleteFlowCommand(key: key, actor: "a"))
        let gone = StateError.flowNotFound(flowID: "f", deleted: true)
        let restore = RestoreCheckpointCommand(key: key, actor: "a", checkpoint: "one")
        #expect(await refusal { try await store.run(restore) } == gone)
        #expect(await refusal { try await store.run(DeleteCheckpointCommand(key: key, actor: "a", checkpoint: "one")) } == gone)
        let create = CreateCheckpointCommand(key: key, actor: "a", checkpoint: CheckpointRequest(id: "id2"))
        #expect(await refusal { try await store.run(create) } == gone)
        #expect(try await store.snapshot(key, .checkpoint("one")).version.version == 1)
        #expect(try await store.run(ListCheckpointsCommand(key: key)).elements.map(\.name) == ["one"])
    }

    @Test func labelsAndTimesSelectTheNewest() async throws {
        let store = try await StoreCluster.store()
        let key = try await flow(store, freshTenant(), versions: 4)
        #expect(try await store.snapshot(key, .label("odd")).version.version == 3)
        #expect(
            await refusal { try await store.snapshot(key, .label("even")) }
                == .versionNotFound(flowID: "f", selector: "version labelled \"even\""))
        let versions = try await store.run(ListVersionsCommand(key: key, newestFirst: false)).elements.map(\.record)
        for version in versions {
            let found = try await store.snapshot(key, .time(version.createdAt)).version
            #expect(found.createdAt == version.createdAt && found.version >= version.version)
        }
        let before = Timestamp(microseconds: versions[0].createdAt.microseconds - 1)
        guard case .versionNotFound = await refusal({ try await store.snapshot(key, .time(before)) }) else {
            Issue.record("a version from before the flow")
            return
        }
        #expect(try await store.snapshot(key, .time(.latest)).version.version == 4)
        #expect(await refusal { try await store.snapshot(key, .version(5)) } == .versionNotFound(flowID: "f", selector: "version 5"))
    }
}
