/// Which calls one connection makes, and what their answers mean. Used on one thread.
protocol CallGenerator: AnyObject {
    /// Writes the next call; nil when there is none, at least until the next answer.
    func next(_ draft: inout Draft, using generator: inout SeededGenerator) -> Call?
    /// How an answer counts.
    func verdict(_ answer: Answer) -> Verdict
}

enum Verdict {
    /// A call of this operation succeeded.
    case done(Operation)
    case failed(Refusal)
}

extension CallGenerator {
    func verdict(_ answer: Answer) -> Verdict {
        switch answer.result {
        case .ok: .done(answer.call.operation)
        case .refused(let refusal): .failed(refusal)
        }
    }
}
