import Postgres
import TestSupport
import Testing

@testable import FlowModel
@testable import FlowStore

/// What is decided about saves that are written together, against the same saves one after the other.
struct SaveGroupTests {
    private func save(_ precondition: Precondition, _ change: (inout SaveCommand) -> Void = { _ in }) throws -> SaveChange {
        var command = SaveCommand(key: try key("t", "f"), actor: "a", state: json("{}"), precondition: precondition)
        change(&command)
        return SaveChange(command, StoreResources(limits: Limits()))
    }

    private func grouped(_ saves: [SaveChange], known: FlowVersion? = nil) -> SaveGroup? {
        SaveGroup(saves.enumerated().map { ($0.offset, $0.element) }, flow: 0, labelLimit: 2) { known }
    }

    private func fates(_ saves: SaveChange...) -> [SaveGroup.Outcome]? { grouped(saves)?.members.map(\.outcome) }

    @Test func appendsGetConsecutiveVersions() throws {
        #expect(try fates(save(.none), save(.anyVersion), save(.none)) == [.saved(offset: 1), .saved(offset: 2), .saved(offset: 3)])
        #expect(try grouped([save(.none)])?.start == .present(nil))
    }

    @Test func anExpectedVersionSaysWhatTheOthersFind() throws {
        let saves = try [save(.expected(5)), save(.expected(5)), save(.none), save(.expected(7)), save(.expected(0))]
        let group = try #require(grouped(saves))
        #expect(group.start == .present(5) && group.count == 3)
        #expect(
            group.members.map(\.outcome) == [
                .saved(offset: 1), .conflict(after: 1), .saved(offset: 2), .saved(offset: 3), .conflict(after: 3),
            ])
    }

    /// What is known decides only over a save that expects an older version: whoever expects a newer one may know more.
    @Test func aSaveThatIsKnownToLoseDoesNotDecide() throws {
        let late = try [save(.none), save(.expected(4)), save(.expected(8)), save(.expected(0)), save(.expected(9))]
        let group = try #require(grouped(late, known: 7))
        #expect(group.start == .present(7) && group.count == 3)
        #expect(
            group.members.map(\.outcome) == [
                .saved(offset: 1), .conflict(after: 1), .saved(offset: 2), .conflict(after: 2), .saved(offset: 3),
            ])
        #expect(try grouped([save(.expected(8)), save(.expected(7))], known: 7)?.start == .present(8))
        #expect(try grouped([save(.expected(7)), save(.expected(6))], known: 7)?.start == .present(7))
        #expect(try grouped([save(.expected(0)), save(.expected(1))], known: 7)?.start == .absent)

        let lost = try #require(grouped([save(.expected(6)), save(.expected(1)), save(.expected(8))], known: 7))
        #expect(lost.start == .present(7) && lost.count == 0)
        #expect(lost.members.map(\.outcome) == Array(repeating: .conflict(after: 0), count: 3))
        #expect(try grouped([save(.expected(6)) { $0.idempotencyKey = "k" }], known: 7) == nil, "it may have been saved before")
        #expect(try grouped([save(.expected(-1))], known: 7) == nil)
    }

    /// A flow that leaves a phase on the way enters it anew, which one statement for all cannot tell.
    @Test func savesWithTimeLimitsStayWhereTheyAre() throws {
        let save = { (phase: String?, limit: Int64?) in
            try self.save(.none) {
                $0.phase = phase
                $0.timeLimits = phase == nil ? nil : EnteredLimits(phase: limit)
            }
        }
        let group = try #require(grouped([save("a", 60), save(nil, nil), save("a", 60)]))
        #expect(group.count == 3 && group.timeLimits == EnteredLimits(phase: 60))
        #expect(try grouped([save("a", 60), save("b", 60)]) == nil)
        #expect(try grouped([save("a", 60), save("a", 70)]) == nil)
        #expect(try grouped([save("b", nil), save("a", 60)]) == nil)
    }

    /// In pairs, since the second is compared with what the first says.
    @Test(arguments: [Int64.min, -1, 0, 1, 1 << 62, .max - 1, .max]) func anyNumberMayBeExpected(one: Int64) throws {
        for other in [Int64.min, -1, 0, 1, 1 << 62, .max - 1, .max] {
            for saves in [[one, other], [other, other, one]] {
                for known in [nil, 1, 1 << 62, .max] as [FlowVersion?] {
                    _ = grouped(try saves.map { try save(.expected($0)) }, known: known)
                }
                _ = grouped(try [save(.none)] + saves.map { try save(.expected($0)) })
            }
        }
        #expect(try fates(save(.expected(.max)), save(.expected(.max))) == [.saved(offset: 1), .conflict(after: 1)])
    }

    @Test func anExpectationBehindAppendsSaysWhereTheyBegan() throws {
        #expect(try grouped([save(.none), save(.none), save(.expected(9))])?.start == .present(7))
        #expect(try grouped([save(.none), save(.none), save(.expected(2))]) == nil, "perhaps the first two create the flow")
    }

    @Test func aFlowIsCreatedOnce() throws {
        let saves = try [save(.expected(0)), save(.expected(0)), save(.expected(1)), save(.none)]
        let group = try #require(grouped(saves))
        #expect(group.start == .absent)
        #expect(group.members.map(\.outcome) == [.saved(offset: 1), .conflict(after: 1), .saved(offset: 2), .saved(offset: 3)])
    }

    /// The statement counts the labels that the head has in the end, so before that there are not more of them.
    @Test func labelsOnlyRise() throws {
        func taking(_ changes: [(String, String?)], _ labels: KeyValuePairs<String, String>? = nil) throws -> SaveChange {
            try save(.none) {
                $0.labelChanges = changes.isEmpty ? nil : LabelChanges(changes.map { LabelChanges.Entry(name: $0.0, value: $0.1) })
                $0.labels = labels.map { Labels($0) }
            }
        }
        let none = try taking([("a", nil), ("b", nil)])
        let one = try taking([("a", "1"), ("b", nil)])
        let both = try taking([("a", "1"), ("b", "2")])
        let group = try #require(grouped([none, one, both, both]))
        #expect(group.labels == nil && group.labelChanges == both.command.labelChanges)
        #expect(grouped([both, one]) == nil && grouped([one, none]) == nil)
        #expect(try grouped([one, taking([("a", "1")])]) == nil, "they change other labels")
        #expect(try grouped([one, taking([], ["x": "1"])]) == nil, "what the first one adds must fit too")
        #expect(try grouped([taking([], ["x": "1"]), one])?.labels == Labels(["x": "1", "a": "1"]))
        #expect(try grouped([taking([], ["x": "1"]), both]) == nil, "they are more than the limit")
    }

    @Test func whatNeedsALookUpGoesAlone() throws {
        #expect(try grouped([save(.none) { $0.parentVersion = 1 }]) == nil)
        #expect(try grouped([save(.none) { $0.checkpoint = CheckpointRequest(id: "c") }]) == nil)
        #expect(try grouped([save(.none) { $0.idempotencyKey = "k" }]) != nil)
        #expect(try grouped([save(.none) { $0.idempotencyKey = "k" }, save(.none)]) == nil)
        #expect(try grouped([save(.none) { $0.flowType = "a" }, save(.none) { $0.flowType = "b" }]) == nil)
    }

    /// The first row's phase would be read from the head as the second save left it.
    @Test func aFieldThatOnlyALaterSaveSetsGoesAlone() throws {
        #expect(try grouped([save(.none), save(.none) { $0.phase = "p" }]) == nil)
        #expect(try grouped([save(.none) { $0.phase = "p" }, save(.none), save(.none) { $0.phase = "q" }])?.phase == "q")
    }

    @Test func groupsDecideAsOneAfterTheOther() throws {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<5_000 {
            let begin = FlowVersion.random(in: 0...3, using: &random)
            let saves = try (0..<Int.random(in: 1...6, using: &random)).map { _ in
                try save(Bool.random(using: &random) ? .none : .expected(.random(in: 0...5, using: &random)))
            }
            guard let group = grouped(saves, known: begin > 0 && Bool.random(using: &random) ? begin : nil) else { continue }
            switch group.start {
            case .absent where begin > 0, .present where begin == 0: continue
            case .present(let version?) where version != begin: continue
            default: break
            }
            var version = begin
            for (save, member) in zip(saves, group.members) {
                let expected = save.command.precondition.expectedVersion
                let outcome: SaveGroup.Outcome
                if expected == nil || expected == version {
                    version += 1
                    outcome = .saved(offset: Int(version - begin))
                } else {
                    outcome = .conflict(after: Int(version - begin))
                }
                #expect(member.outcome == outcome, "seed \(seed), from \(begin): \(saves.map(\.command.precondition))")
            }
        }
    }
}

struct ChangeRoundsTests {
    @Test func aSaveGoesOnAloneWhenItsGroupWasNotWritten() {
        var rounds = ChangeRounds()
        #expect(!rounds.isAlone && !rounds.seemsAbsent && !rounds.hasReadBases)
        rounds.groupWasNotWritten(isNew: false)
        #expect(rounds.isAlone && rounds.seemsAbsent, "an update found no head as expected: perhaps there is none")
        rounds.ownStatementRan(foundFlow: true)
        #expect(rounds.isAlone && !rounds.seemsAbsent && rounds.attempts == 1)
    }

    @Test func aCreationThatWasNotWrittenFoundTheFlow() {
        var rounds = ChangeRounds()
        rounds.groupWasNotWritten(isNew: true)
        #expect(rounds.isAlone && !rounds.seemsAbsent)
    }

    @Test func basesAreReadOnce() {
        var rounds = ChangeRounds()
        rounds.basesWereRead(nil)
        #expect(rounds.hasReadBases && rounds.readBases == nil && !rounds.isAlone)
    }

    @Test func attemptsHaveAnEnd() {
        var rounds = ChangeRounds()
        for attempt in 1...ChangeRounds.maximumAttempts {
            #expect(!rounds.isExhausted, "attempt \(attempt)")
            rounds.ownStatementRan(foundFlow: true)
        }
        #expect(rounds.isExhausted)
    }
}

struct LoadRoundsTests {
    @Test func aLostVersionIsReadThreeTimes() throws {
        let second = try #require(LoadRounds(.selected).afterLoss())
        let third = try #require(second.afterLoss())
        #expect(third.afterLoss() == nil)
        guard case .selected = third.look else { Issue.record("it looks for something else"); return }
    }

    @Test func aLargeVersionIsAskedForByItsSizeAndHasAnEnd() throws {
        var rounds = LoadRounds(.latest)
        for size in 1...10 {
            rounds = try #require(rounds.afterLeavingOut(size: size))
            guard case .large(size) = rounds.look else { Issue.record("it looks for something else"); return }
        }
        #expect(rounds.afterLeavingOut(size: 11) == nil, "it grows faster than it can be read")
    }
}

struct ChangePlanTests {
    private func change(_ flow: String, _ edit: (inout SaveCommand) -> Void = { _ in }) throws -> Change {
        var command = SaveCommand(key: try key("t", flow), actor: "a", state: json("{}"))
        edit(&command)
        let resources = StoreResources(limits: Limits())
        return Change(command.key, resources, .save(SaveChange(command, resources)))
    }

    private func plan(_ changes: [Change], isThere: Bool = true) -> ChangePlan {
        ChangePlan(changes, known: { _ in isThere ? 5 : nil }, needsBase: { _, _ in false })
    }

    /// A save that found no flow.
    private func disappointed(_ change: Change) -> Change {
        change.rounds.groupWasNotWritten(isNew: false)
        return change
    }

    private let creates: (inout SaveCommand) -> Void = { $0.precondition = .expected(0) }

    @Test func savesOfManyFlowsAreWrittenTogether() throws {
        let plan = try self.plan([change("a"), change("b"), change("a"), change("c") { $0.precondition = .expected(0) }])
        #expect(plan.updates.map { $0.members.map(\.index) } == [[0, 2], [1]])
        #expect(plan.creations.map { $0.members.map(\.index) } == [[3]])
        #expect(plan.singles.isEmpty)
    }

    @Test func allChangesOfAFlowGoTheSameWay() throws {
        let plan = try self.plan([change("a"), change("b"), change("a") { $0.parentVersion = 1 }, change("a")])
        #expect(plan.updates.map { $0.members.map(\.index) } == [[1]])
        #expect(plan.singles.map(\.index) == [0, 2, 3], "in their order")
    }

    private func checkpoint(_ flow: String) throws -> Change {
        let command = CreateCheckpointCommand(key: try key("t", flow), actor: "a", checkpoint: CheckpointRequest(id: flow))
        let single = Change.SingleStatement(
            statement: CreateCheckpointCommand.statement, parameters: Parameters(), checkpoint: command
        ) { _ in .retry }
        return Change(command.key, StoreResources(limits: Limits()), .statement(single))
    }

    @Test func checkpointsOfManyFlowsAreCreatedTogether() throws {
        let plan = try self.plan([checkpoint("a"), checkpoint("b"), change("c"), checkpoint("c"), checkpoint("d"), checkpoint("d")])
        #expect(plan.checkpoints.map(\.index) == [0, 1])
        #expect(plan.singles.map(\.index) == [2, 3, 4, 5], "the changes of one flow keep their order")
        #expect(plan.changedFlows.map(\.flowID) == ["a", "b", "c", "d"])
    }

    @Test func aCheckpointWithoutOthersHasItsOwnStatement() throws {
        for changes in try [[checkpoint("a")], [checkpoint("a"), change("b")], [checkpoint("a"), disappointed(checkpoint("b"))]] {
            let plan = self.plan(changes)
            #expect(plan.checkpoints.isEmpty && plan.singles.contains { $0.index == 0 })
        }
    }

    /// The head is known to be at version 5.
    @Test func savesThatLoseOnlyLookAtTheHead() throws {
        let stale: (inout SaveCommand) -> Void = { $0.precondition = .expected(4) }
        let current: (inout SaveCommand) -> Void = { $0.precondition = .expected(5) }
        let plan = try self.plan([change("a", stale), change("b", stale), change("a", stale), change("b", current)])
        #expect(plan.conflicts.map { $0.members.map(\.index) } == [[0, 2]])
        #expect(plan.updates.map { $0.members.map(\.index) } == [[1, 3]])
        #expect(plan.changedFlows.map(\.flowID) == ["b"], "a head that is only read is not locked")
        let unknown = try self.plan([change("a", stale), change("a", stale), change("b", stale)], isThere: false)
        #expect(unknown.conflicts.isEmpty && unknown.updates.count == 2)
    }

    @Test func oneKeyIsLookedUpOnceAStatement() throws {
        let plan = try self.plan([change("a") { $0.idempotencyKey = "k" }, change("b") { $0.idempotencyKey = "k" }])
        #expect(plan.updates.count == 1 && plan.singles.map(\.index) == [1])
    }

    @Test func oneAloneHasItsOwnStatement() throws {
        let plan = try self.plan([change("a")])
        #expect(plan.updates.isEmpty && plan.singles.map(\.index) == [0])
    }

    /// The rows that an INSERT returns are matched by flow id.
    @Test func flowsOfOneIDAreCreatedOneByOne() throws {
        let resources = StoreResources(limits: Limits())
        let creations = try ["t", "u"].map { tenant in
            var command = SaveCommand(key: try key(tenant, "f"), actor: "a", state: json("{}"))
            command.precondition = .expected(0)
            return Change(command.key, resources, .save(SaveChange(command, resources)))
        }
        let plan = self.plan(creations)
        #expect(plan.creations.isEmpty && plan.creators.map(\.index) == [0, 1])
    }

    /// A row that is not there cannot be locked before the others.
    @Test func flowsAreMadeInOneOrder() throws {
        let changes = try [change("a", creates), disappointed(change("b")), change("c", creates), change("d")]
        let plan = plan(changes, isThere: false)
        #expect(plan.creations.isEmpty && plan.creators.map(\.index) == [0, 1, 2] && plan.singles.isEmpty)
        #expect(plan.updates.map { $0.members.map(\.index) } == [[3]])
    }

    /// Two tries of one request meet at its key, and only there.
    @Test func flowsOfGeneratedIDsAreMadeLast() throws {
        let generated = try change("a") {
            $0.hasGeneratedFlowID = true
            $0.idempotencyKey = "k"
            $0.precondition = .expected(0)
        }
        let plan = try self.plan([generated, disappointed(change("b")), change("c", creates)], isThere: false)
        #expect(plan.creators.map(\.index) == [1, 2, 0])
    }

    /// Whether the first one made the flow, or found it, only its answer tells.
    @Test func changesOfAFlowThatIsNotKnownWaitForTheFirst() throws {
        let changes = try [change("a"), change("a") { $0.precondition = .expected(1) }, change("b")].map(disappointed)
        #expect(plan(changes, isThere: false).creators.map(\.index) == [0, 2])
        #expect(plan(changes, isThere: false).deferred == [1])
        #expect(plan(changes).deferred.isEmpty && plan(changes).singles.map(\.index) == [0, 1, 2])
        let made = try [change("a", creates), change("a"), change("b")].map(disappointed)
        #expect(plan(made, isThere: false).deferred == [] && plan(made, isThere: false).singles.map(\.index) == [1])
    }

    /// Changes of one shard stand in the order in which they came to this server.
    @Test func flowsOfOneShardAreOrderedByTheirKeys() throws {
        let changes = try ["b", "a", "c"].map { flow in
            try change(flow) {
                $0.hasGeneratedFlowID = true
                $0.idempotencyKey = "k"
                $0.precondition = .expected(0)
            }
        }
        #expect(Set(changes.map(\.shard)).count == 1)
        #expect(plan(changes).flows.map(\.key.flowID) == ["a", "b", "c"])
    }

    @Test func headsAreLockedInTheOrderOfTheBatch() throws {
        let changes = try [change("c"), change("a"), change("b") { $0.precondition = .expected(0) }, change("a")]
        #expect(try plan(changes).changedFlows == [key("t", "c"), key("t", "a")])
    }

    @Test func aFlowWhoseBasesAreNotKnownIsAskedForThem() throws {
        let changes = try [change("a"), change("b"), change("a")]
        let asked = try key("t", "a")
        let plan = ChangePlan(changes, known: { _ in 5 }, needsBase: { change, _ in change.key == asked })
        #expect(plan.fetches.map { plan.flows[$0].changes } == [[0, 2]])
        #expect(plan.updates.count == 1)
    }
}
