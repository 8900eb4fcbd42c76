import FlowModel
import FlowStore
import Postgres
import Testing

struct IdempotencyTests {
    @Test func aRetryIsAnsweredNotApplied() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        for precondition in [Precondition.expected(0), .expected(1), .none] {
            var save = SaveCommand(key: key, actor: "a", state: json("{}"), precondition: precondition)
            save.idempotencyKey = "key \(precondition)"
            save.checkpoint = CheckpointRequest(id: IDGenerator.next(), name: "point \(precondition)")
            let first = try await store.run(save)
            save.checkpoint?.id = IDGenerator.next()
            let second = try await store.run(save)
            #expect(!first.replayed && second.replayed)
            var expected = first
            expected.replayed = true
            #expect(second == expected && second.checkpointID != nil)
            save.state = json("[]")
            #expect(await refusal { try await store.run(save) } == .idempotencyKeyReused(key: "key \(precondition)"))
        }
        #expect(try await store.snapshot(key).head.version == 3)
    }

    @Test func aRefusalIsNotRemembered() async throws {
        let store = try await StoreCluster.store()
        let key = try key(freshTenant(), "f")
        var save = SaveCommand(key: key, actor: "a", state: json("{}"), precondition: .expected(1))
        save.idempotencyKey = "k"
        #expect(await refusal { try await store.run(save) } == .versionConflict(flowID: "f", expected: 1, actual: 0))
        _ = try await store.run(SaveCommand(key: key, actor: "a", state: json("{}")))
        #expect(try await store.run(save).version == 2)
    }

    @Test func aGeneratedIDDoesNotMakeANewRequest() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        var ids: Set<String> = []
        for attempt in 1...3 {
            var create = try SaveCommand.create(
                key: key(tenant, IDGenerator.next()), hasGeneratedFlowID: true, actor: "a", state: json("{}"))
            create.idempotencyKey = "k"
            let saved = try await store.run(create)
            #expect(saved.replayed == (attempt > 1))
            ids.insert(saved.flowID)
        }
        #expect(ids.count == 1)
        #expect(try await store.run(ListFlowsCommand(tenant: tenant)).elements.count == 1)
    }

    @Test func keysBelongToOneTenantAndOneOperation() async throws {
        let store = try await StoreCluster.store()
        let (one, other) = (freshTenant(), freshTenant())
        for tenant in [one, other] {
            var save = try SaveCommand(key: key(tenant, "f"), actor: "a", state: json("{}"))
            save.idempotencyKey = "k"
            #expect(try await !store.run(save).replayed)
        }
        var delete = try DeleteFlowCommand(key: key(one, "f"), actor: "a")
        delete.idempotencyKey = "k"
        #expect(await refusal { try await store.run(delete) } == .idempotencyKeyReused(key: "k"))
        delete.idempotencyKey = "d"
        let deleted = try await store.run(delete)
        let again = try await store.run(delete)
        #expect(!deleted.replayed && again.replayed && again.version == deleted.version)
    }

    @Test func oldKeysAreForgotten() async throws {
        let store = try await StoreCluster.store()
        let tenant = freshTenant()
        for index in 0..<5 {
            var save = try SaveCommand(key: key(tenant, "f"), actor: "a", state: json("{}"))
            save.idempotencyKey = "k\(index)"
            _ = try await store.run(save)
        }
        _ = try await StoreCluster.sql(
            """
            UPDATE flowstate.idempotency SET recorded_at = recorded_at - interval '25 hours' WHERE tenant = $1 AND key <> 'k0'
            """, [.text], { $0.append(tenant) }, read: { rows throws(PostgresError) in rows.affectedRows })
        #expect(try await store.purgeIdempotency(batch: 3) >= 4)
        let left = try await StoreCluster.sql(
            "SELECT count(*) FROM flowstate.idempotency WHERE tenant = $1", [.text], { $0.append(tenant) },
            read: { rows throws(PostgresError) in try rows.int64(0, 0) })
        #expect(left == 1)
    }
}
