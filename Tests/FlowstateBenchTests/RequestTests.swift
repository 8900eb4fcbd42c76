import NIOCore
import Protobuf
import Testing
import WireMessages

@testable import FlowstateBench

/// What the scripts write by hand is what the generated messages read.
@Suite struct RequestTests {
    private func workload(_ scenario: Scenario, flows: Int? = 1_000) throws -> Workload {
        let options = try LoadOptions.parse(flows.map { ["--flows", "\($0)", "--state-size", "100"] } ?? [])
        return Workload(scenario, options)
    }

    /// The first `count` requests of a calls.
    private func requests<M: WireMessage>(
        _ calls: any CallGenerator, _ type: M.Type, _ method: Method, count: Int = 20
    ) throws -> [M] {
        var draft = Draft()
        var generator = SeededGenerator(seed: 1)
        return try (0..<count).map { _ in
            _ = try #require(calls.next(&draft, using: &generator))
            #expect(draft.method == method)
            return try M.decode([UInt8](buffer: draft.fields) + [UInt8](buffer: draft.body))
        }
    }

    private func ok(_ operation: Operation, subject: Int = 0, number: Int64 = 0, _ message: some WireMessage) -> Answer {
        var framed = ByteBuffer(repeating: 0, count: CallConnection.prefixBytes)
        framed.writeBytes(message.encoded())
        return Answer(call: Call(operation: operation, subject: subject, number: number), result: .ok, message: framed)
    }

    @Test func savesAndLoads() throws {
        let workload = try workload(.random(loadPercent: 0))
        let saves = try requests(RandomCallGenerator(workload, loadPercent: 0), SaveStateRequest.self, .saveState)
        for save in saves {
            guard case .state(let state) = save.change else { return #expect(Bool(false), "a save without a state") }
            #expect(state.count == 100)
            let flow = try #require(Int(save.flowID.dropFirst("bench-100-".count)))
            #expect(save == SaveStateRequest(flowID: "bench-100-\(flow)", change: .state(state)))
        }
        #expect(Set(saves.map(\.flowID)).count > 10)
        let loads = try requests(RandomCallGenerator(workload, loadPercent: 100), LoadStateRequest.self, .loadState)
        #expect(loads.allSatisfy { $0 == LoadStateRequest(flowID: $0.flowID) && $0.flowID.hasPrefix("bench-100-") })
    }

    @Test(arguments: [0, 9, 10, 99, 100, 999_999_999])
    func textsThatEndInANumber(_ index: Int) throws {
        var buffer = ByteBuffer()
        buffer.writeField(1, prefix: Array("flow-".utf8), index: index)
        #expect(try LoadStateRequest.decode([UInt8](buffer: buffer)).flowID == "flow-\(index)")
    }

    @Test func conflictsTeachTheVersion() throws {
        let calls = ConflictCallGenerator(try workload(.conflict, flows: 1))
        func expected() throws -> SaveStateRequest.Precondition? {
            try requests(calls, SaveStateRequest.self, .saveState, count: 1)[0].precondition
        }
        #expect(try expected() == .expectedVersion(0))
        guard case .done(.save) = calls.verdict(ok(.save, SaveStateResponse(flowID: "f", version: 300))) else {
            return #expect(Bool(false), "a save that won")
        }
        #expect(try expected() == .expectedVersion(300))
        let conflict = Refusal(code: "10", message: "too%20late", details: RefusalTests.conflict(actual: 301))
        let lost = Answer(call: Call(operation: .save), result: .refused(conflict))
        guard case .done(.conflict) = calls.verdict(lost) else { return #expect(Bool(false), "a save that lost") }
        #expect(try expected() == .expectedVersion(301))
        let failed = Answer(call: Call(operation: .save), result: .refused(Refusal(code: "14", message: nil, details: nil)))
        guard case .failed(let refusal) = calls.verdict(failed) else { return #expect(Bool(false), "a failure") }
        #expect(refusal.reason == "UNAVAILABLE")
    }

    @Test func createsAndCheckpoints() throws {
        let creates = try requests(CreateCallGenerator(workload(.create)), CreateFlowRequest.self, .createFlow)
        #expect(creates.allSatisfy { $0 == CreateFlowRequest(flowType: "bench", state: $0.state) && $0.state.count == 100 })
        let workload = try workload(.checkpoint, flows: 1)
        let checkpoints = try (0..<2).flatMap {
            try requests(CheckpointCallGenerator(workload, connection: $0), CreateCheckpointRequest.self, .createCheckpoint)
        }
        #expect(checkpoints.allSatisfy { $0 == CreateCheckpointRequest(flowID: "bench-100-0", name: $0.name) })
        #expect(Set(checkpoints.map(\.name)).count == 40)
    }

    @Test func listsGoOnWithTheFiltersOfTheirPage() throws {
        let calls = ListCallGenerator(try workload(.list))
        var draft = Draft()
        var generator = SeededGenerator(seed: 1)
        var kinds: Set<String> = []
        for number in 0..<200 {
            let call = try #require(calls.next(&draft, using: &generator))
            let request = try ListFlowsRequest.decode([UInt8](buffer: draft.fields) + [UInt8](buffer: draft.body))
            #expect(request.pageSize == 50)
            let filter = request.filter
            let kind = filter == nil ? "newest" : filter?.labels == [:] ? "status" : "label"
            kinds.insert(request.pageToken.isEmpty ? kind : "next")
            #expect(request.pageToken.isEmpty || request.pageToken.hasPrefix(kind))
            let answer = ListFlowsResponse(nextPageToken: "\(kind)-\(number)")
            _ = calls.verdict(ok(.list, subject: call.subject, answer))
        }
        #expect(kinds == ["newest", "status", "label", "next"])
    }

    @Test func preparationGoesOnFromTheVersionThatIsThere() throws {
        let calls = PreparationCallGenerator(try workload(.versions(depth: 3), flows: 1), versions: 3, connection: 0, connections: 1)
        var draft = Draft()
        var generator = SeededGenerator(seed: 1)
        func next() -> Int64? { calls.next(&draft, using: &generator)?.number }
        #expect(next() == 0)
        #expect(next() == nil, "one save of a flow at a time")
        let conflict = Refusal(code: "10", message: nil, details: RefusalTests.conflict(actual: 2))
        _ = calls.verdict(Answer(call: Call(operation: .save, subject: 0, number: 0), result: .refused(conflict)))
        #expect(next() == 2)
        _ = calls.verdict(ok(.save, subject: 0, number: 2, SaveStateResponse(version: 3)))
        #expect(next() == nil)
    }

    @Test func oldVersionsAreNeverTheLatest() throws {
        let calls = VersionsCallGenerator(try workload(.versions(depth: 3)), depth: 3)
        let versions = try requests(calls, LoadStateRequest.self, .loadState, count: 100).map(\.selector)
        #expect(versions.allSatisfy { $0 == .version(1) || $0 == .version(2) })
    }

    @Test func aConversationThatComesBackDifferentFails() throws {
        let text = ConversationText(turns: 2, seed: 1)
        let calls = ConversationCallGenerator(text, flow: "c")
        var draft = Draft()
        var generator = SeededGenerator(seed: 1)
        var operations: [Operation] = []
        while let call = calls.next(&draft, using: &generator) {
            operations.append(call.operation)
            guard call.operation != .save else { continue }
            for turn in 1...2 {
                let answer = ok(call.operation, subject: call.subject, LoadStateResponse(snapshot: Snapshot(state: text.state(turn: turn))))
                if case .done = calls.verdict(answer) { #expect(turn == call.subject) } else { #expect(turn != call.subject) }
            }
        }
        #expect(operations == [.save, .save, .loadVersion, .loadVersion, .loadLatest, .loadLatest])
    }
}
