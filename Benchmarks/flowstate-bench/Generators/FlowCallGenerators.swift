/// Loads and saves of flows picked at random.
final class RandomCallGenerator: CallGenerator {
    private let workload: Workload
    private let loadPercent: Int

    init(_ workload: Workload, loadPercent: Int) {
        self.workload = workload
        self.loadPercent = loadPercent
    }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        let isLoad = loadPercent == 100 || loadPercent > 0 && Int.random(in: 0..<100, using: &generator) < loadPercent
        if isLoad { draft.begin(.loadState) } else { draft.begin(.saveState, body: workload.states.pick(using: &generator)) }
        draft.fields.writeField(1, prefix: workload.prefix, index: workload.picker.pick(using: &generator))
        return Call(operation: isLoad ? .load : .save)
    }
}

/// Saves that expect the version seen last; most of them conflict.
final class ConflictCallGenerator: CallGenerator {
    private let workload: Workload
    /// By flow, the latest version that this connection has seen; 0 for none.
    private var versions: [Int64]

    init(_ workload: Workload) {
        self.workload = workload
        versions = Array(repeating: 0, count: workload.flows)
    }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        let flow = workload.picker.pick(using: &generator)
        draft.begin(.saveState, body: workload.states.pick(using: &generator))
        draft.fields.writeField(1, prefix: workload.prefix, index: flow)
        // A number in a oneof is sent even when it is 0.
        draft.fields.writeField(7, varint: versions[flow])
        return Call(operation: .save, subject: flow, wantsMessage: true)
    }

    func verdict(_ answer: Answer) -> Verdict {
        let version: Int64
        let verdict: Verdict
        switch answer.result {
        case .ok:
            version = answer.message.varint(field: 2)
            verdict = .done(.save)
        case .refused(let refusal):
            guard let actual = refusal.actualVersion else { return .failed(refusal) }
            version = actual
            verdict = .done(.conflict)
        }
        // Answers of one batch may arrive in another order than their saves.
        versions[answer.call.subject] = max(versions[answer.call.subject], version)
        return verdict
    }
}

/// New flows; the server makes their ids.
final class CreateCallGenerator: CallGenerator {
    private let workload: Workload

    init(_ workload: Workload) { self.workload = workload }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        draft.begin(.createFlow, body: workload.states.pick(using: &generator))
        draft.fields.writeField(2, text: "bench")
        return Call(operation: .create)
    }
}

/// Checkpoints of the latest version of flows picked at random.
final class CheckpointCallGenerator: CallGenerator {
    private let workload: Workload
    private let namePrefix: [UInt8]
    private var number = 0

    init(_ workload: Workload, connection: Int) {
        self.workload = workload
        namePrefix = Array("\(workload.run)-\(connection)-".utf8)
    }

    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call? {
        number += 1
        draft.begin(.createCheckpoint)
        draft.fields.writeField(1, prefix: workload.prefix, index: workload.picker.pick(using: &generator))
        draft.fields.writeField(2, prefix: namePrefix, index: number)
        return Call(operation: .checkpoint)
    }
}
