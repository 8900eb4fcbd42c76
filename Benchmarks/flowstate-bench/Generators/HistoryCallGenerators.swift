/// Creates flows, and versions of them, unless they exist.
final class PreparationCallGenerator: CallGenerator {
    private let workload: Workload
    private let versions: Int64
    private let connections: Int
    private var nextFlow: Int
    /// Flows whose next version is to be saved, and how many versions they have.
    private var ready: [(flow: Int, version: Int64)] = []

    init(_ workload: Workload, versions: Int, connection: Int, connections: Int) {
        self.workload = workload
        self.versions = Int64(versions)
        self.connections = connections
        nextFlow = connection
    }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        let flow: Int
        let version: Int64
        if let next = ready.popLast() {
            (flow, version) = next
        } else {
            guard nextFlow < workload.flows else { return nil }
            (flow, version) = (nextFlow, 0)
            nextFlow += connections
        }
        draft.begin(.saveState, body: workload.states.pick(using: &generator))
        draft.fields.writeField(1, prefix: workload.prefix, index: flow)
        if version == 0 { Listing(flow: flow).describe(&draft, workload.scenario) }
        draft.fields.writeField(7, varint: version)
        return Call(operation: .save, subject: flow, number: version)
    }

    func verdict(_ answer: Answer) -> Verdict {
        let version: Int64
        switch answer.result {
        case .ok: version = answer.call.number + 1
        case .refused(let refusal):
            guard let actual = refusal.actualVersion else { return .failed(refusal) }
            version = actual
        }
        if version < versions { ready.append((answer.call.subject, version)) }
        return .done(.save)
    }
}

/// Loads of versions that are not the latest.
final class VersionsCallGenerator: CallGenerator {
    private let workload: Workload
    private let depth: Int

    init(_ workload: Workload, depth: Int) {
        self.workload = workload
        self.depth = depth
    }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        draft.begin(.loadState)
        draft.fields.writeField(1, prefix: workload.prefix, index: workload.picker.pick(using: &generator))
        draft.fields.writeField(3, varint: Int64.random(in: 1..<Int64(depth), using: &generator))
        return Call(operation: .loadVersion)
    }
}

/// Saves a conversation turn after turn, then loads every version in random order and the latest as often; what is
/// loaded must be what was saved.
final class ConversationCallGenerator: CallGenerator {
    private let text: ConversationText
    private let flow: String
    private var saved = 0
    private var order: [Int]?
    private var loadsOfLatest = 0

    init(_ text: ConversationText, flow: String) {
        self.text = text
        self.flow = flow
    }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        if saved < text.turns {
            saved += 1
            draft.begin(.saveState, body: text.saveBody(turn: saved))
            draft.fields.writeField(1, text: flow)
            return Call(operation: .save)
        }
        if order == nil { order = (1...text.turns).shuffled(using: &generator) }
        if let turn = order?.popLast() {
            draft.begin(.loadState)
            draft.fields.writeField(1, text: flow)
            draft.fields.writeField(3, varint: Int64(turn))
            return Call(operation: .loadVersion, subject: turn, wantsMessage: true)
        }
        guard loadsOfLatest < text.turns else { return nil }
        loadsOfLatest += 1
        draft.begin(.loadState)
        draft.fields.writeField(1, text: flow)
        return Call(operation: .loadLatest, subject: text.turns, wantsMessage: true)
    }

    func verdict(_ answer: Answer) -> Verdict {
        if case .refused(let refusal) = answer.result { return .failed(refusal) }
        let operation = answer.call.operation
        if operation == .save { return .done(operation) }
        // LoadStateResponse.snapshot, Snapshot.state
        guard let state = answer.message.slice(field: 1)?.slice(field: 3), text.isState(state, ofTurn: answer.call.subject) else {
            return .failed(Refusal("STATE_DIFFERS", "turn \(answer.call.subject) is not what was saved"))
        }
        return .done(operation)
    }
}
