import TestSupport
import Testing

@testable import FlowModel
@testable import FlowStore

/// When flows are due, whatever changes them: against what their versions say about when they entered their phase and their status.
@Suite(.serialized) struct DueOracleTests {
    private static let phases = ["work", "check", "wait", "done"]
    private static let statuses = ["open", "stuck", "bad", "closed"]
    private static let limits: [String: Int64] = ["work": 600, "check": 50, "stuck": 700]

    /// By the versions of the flow, oldest first.
    private func expected(_ versions: [VersionRecord]) -> (phase: Timestamp?, status: Timestamp?) {
        var (phase, status, due): (String, String, (phase: Timestamp?, status: Timestamp?)) = ("", "", (nil, nil))
        for version in versions {
            let restarts = version.kind == .created || version.kind == .forked || version.kind == .definitionMoved
            let end = { (name: String) in
                Self.limits[name].map { Timestamp(microseconds: version.createdAt.microseconds + $0 * 1_000_000) }
            }
            if restarts || version.phase != phase { due.phase = end(version.phase) }
            if restarts || version.status != status { due.status = end(version.status) }
            (phase, status) = (version.phase, version.status)
            if version.kind == .deleted || phase == "done" || status == "closed" { due = (nil, nil) }
        }
        return due
    }

    private func check(_ stores: OverdueStores, _ flowID: String, _ step: String) async throws {
        var list = ListVersionsCommand(tenant: "t", subject: .flow(flowID), order: .oldestFirst, pageSize: 1000)
        list.filter.isOfPresentLife = true
        let versions = try await stores.store.run(list).elements.map(\.record)
        let expected = expected(versions)
        let last = versions.suffix(8).map { "\($0.version) \($0.phase)/\($0.status) at \($0.createdAt.microseconds)" }
        // From the cache, and as another server reads it.
        for store in stores.stores {
            let head = try await store.snapshot(key("t", flowID)).head
            #expect(head.phaseDueAt == expected.phase && head.statusDueAt == expected.status, "\(flowID) after \(step), \(last)")
        }
        let first = [expected.phase, expected.status].compactMap(\.self).min()
        let next = try await stores.query(
            "SELECT (extract(epoch FROM due_at) * 1000000)::bigint::text FROM flowstate.flow WHERE flow_id = '\(flowID)'")
        #expect(next.first == first.map { "\($0.microseconds)" } ?? "", "\(flowID) after \(step)")
    }

    /// A save that names both, or neither: nothing else tells from the versions what was named.
    private func save(_ stores: OverdueStores, _ flowID: String, _ generator: inout SeededGenerator) throws -> SaveCommand {
        if Int.random(in: 0..<3, using: &generator) == 0 { return try stores.save(flowID, #"{"n": 1}"#) }
        return try stores.save(
            flowID, phase: Self.phases.randomElement(using: &generator), status: Self.statuses.randomElement(using: &generator),
            #"{"n": 1}"#)
    }

    private func change(_ stores: OverdueStores, _ flowID: String, _ generator: inout SeededGenerator) async throws -> String {
        let (store, key) = (stores.store, try key("t", flowID))
        let request = LifecycleRequest(key: key, actor: "a")
        let phase = Self.phases.randomElement(using: &generator) ?? ""
        switch Int.random(in: 0..<12, using: &generator) {
        case 0:
            _ = try await store.run(
                TakeStepCommand(TransitionCommand(request, phase: phase, isForced: true, checkpointID: IDGenerator.next())))
            return "a transition"
        case 1:
            _ = try? await store.run(
                TakeStepCommand(SetStatusCommand(request, status: Self.statuses.randomElement(using: &generator))))
            return "a status"
        case 2:
            _ = try await store.run(TakeStepCommand(ReportErrorCommand(request, message: "m", notificationID: IDGenerator.next())))
            return "an error report"
        case 3:
            _ = try? await store.run(
                TakeStepCommand(CompletePhaseCommand(request, phase: "work", checkpointID: IDGenerator.next())))
            return "a completion"
        case 4:
            let page = try await store.run(ListCheckpointsCommand(key: key, pageSize: 100))
            guard let checkpoint = page.elements.randomElement(using: &generator) else { return "nothing" }
            _ = try await store.run(RestoreCheckpointCommand(key: key, actor: "a", checkpoint: checkpoint.id))
            return "a restore"
        case 5:
            _ = try await store.run(MoveFlowCommand(request))
            return "a move"
        case 6:
            var patch = try save(stores, flowID, &generator)
            patch.state = []
            patch.patch = StatePatch(.merge, json(#"{"n": 2}"#))
            _ = try await store.run(patch)
            return "a patch"
        case 7:
            var saves = [try save(stores, flowID, &generator)]
            saves.append(try save(stores, flowID + " beside", &generator))
            _ = try await store.run(BatchSaveCommand(saves: saves, isAtomic: true))
            return "a batch"
        case 8:
            _ = try await store.run(DeleteFlowCommand(key: key, actor: "a"))
            let due = try await stores.due(flowID)
            #expect(due == "", "deleted")
            var revival = try save(stores, flowID, &generator)
            revival.revives = true
            _ = try await store.run(revival)
            return "a revival"
        default:
            _ = try await store.run(try save(stores, flowID, &generator))
            return "a save"
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func whateverChangesAFlow(seed: UInt64) async throws {
        let stores = try await OverdueStores("due_oracle_\(seed)")
        var generator = SeededGenerator(seed: seed)
        for number in 0..<6 {
            let flowID = "f\(number)"
            _ = try await stores.store.run(try save(stores, flowID, &generator))
            try await check(stores, flowID, "its creation")
            for _ in 0..<20 {
                let step = try await change(stores, flowID, &generator)
                try await check(stores, flowID, step)
            }
            for withHistory in [false, true] {
                let forked = ForkFlowCommand(
                    source: try key("t", flowID), key: try key("t", "\(flowID) \(withHistory)"), actor: "a", withHistory: withHistory)
                _ = try await stores.store.run(forked)
                let due = try await stores.due(flowID), own = try await stores.due("\(flowID) \(withHistory)")
                // A fork enters its phase and its status when it is made, also if the source had ended and was taken up again.
                #expect(own.isEmpty ? due.isEmpty : true, "a fork of \(flowID)")
            }
        }
        await stores.shutdown()
    }

    /// Saves of many callers share statements, and those of one flow a group.
    @Test func savesThatShareStatements() async throws {
        let stores = try await OverdueStores("due_bursts")
        var generator = SeededGenerator(seed: 7)
        // A flow that a save without a phase creates begins in the first one, which that save names then.
        for number in 0..<16 { _ = try await stores.store.run(try stores.save("f\(number)", phase: "wait", status: "open")) }
        for round in 0..<6 {
            let saves = try (0..<200).map { try save(stores, "f\($0 % 16)", &generator) }
            try await withThrowingTaskGroup { group in
                for save in saves { group.addTask { _ = try await stores.store.run(save) } }
                try await group.waitForAll()
            }
            for number in 0..<16 { try await check(stores, "f\(number)", "burst \(round)") }
        }
        await stores.shutdown()
    }

    /// What is removed on request brings an earlier version back, with its phase.
    @Test func aVersionThatComesBackHasTheLimitOfItsPhase() async throws {
        let stores = try await OverdueStores("due_removed")
        for (phase, tag) in [("work", "a"), ("wait", "b")] {
            var save = try stores.save("f", phase: phase)
            save.tags = Labels(["tag": tag])
            _ = try await stores.store.run(save)
        }
        #expect(try await stores.due("f") == "")
        let removal = DeleteVersionsCommand(
            tenant: "t", subject: .flow("f"), selection: .tagged(name: "tag", values: ["b"]), actor: "a")
        #expect(try await stores.store.run(removal) == 1)
        #expect(try await stores.due("f") == "p1")
        for store in stores.stores { #expect(try await store.snapshot(key("t", "f")).head.dueAt != nil) }
        await stores.shutdown()
    }
}
