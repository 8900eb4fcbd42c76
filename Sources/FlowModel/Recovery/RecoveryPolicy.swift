/// What recovery tries, in order.
public enum RecoveryStrategy: String, Sendable, CaseIterable {
    /// Put right what is wrong with the latest state.
    case repair
    /// The newest checkpoint whose state follows the rules.
    case checkpoint
    /// The newest version whose state does.
    case version
    /// The initial state, with what the definition says is kept.
    case reset
}

/// Which calls start a recovery by themselves when they meet a broken latest state. Reading starts none, and the save of a whole
/// state needs none: it takes the broken one's place.
public enum RecoveryTrigger: String, Sendable, CaseIterable {
    /// `ReportError`: the flow is recovered first, so that the error stays in its state.
    case errorReport = "error_report"
    /// A transition, completion or change of status that cannot be made of the state.
    case step
    /// A patch that cannot be applied to it.
    case patch
}

/// How flows of a type are recovered.
public struct RecoveryPolicy: Sendable {
    public var strategies: [RecoveryStrategy] = [.repair, .checkpoint, .reset]
    /// What a flow has after it went back; nil leaves it.
    public var status: String?
    /// Of the broken state, in a reset.
    public var kept: [JSONPointer] = []
    /// Empty: only `RecoverFlow` recovers.
    public var triggers: [RecoveryTrigger] = []
    /// Which rules they mean. Where flows are worked on step by step, a state may be built as it should be and lack results that come later:
    /// going back would lose what it has.
    public var automaticDepth = ValidationDepth.complete
}

extension FlowDefinition {
    /// Whether a flow with this status is recovered without being asked. One that has ended stays as it is.
    public func recovers(on trigger: RecoveryTrigger, status: String) -> Bool {
        recovery.triggers.contains(trigger) && !(self.status(status)?.next?.isEmpty ?? false)
    }

    /// An earlier state as it becomes the latest again; nil when it does not follow the rules.
    ///
    /// - Throws: why the work was stopped.
    public func goingBack(
        to state: [UInt8], at time: Timestamp, limits: Limits, depth: ValidationDepth = .complete, budget: WorkBudget
    ) throws(StateError) -> [UInt8]? {
        guard let document = try parse(state, limits, budget) else { return nil }
        return try edited { () throws(StateError) in
            var edit = StateEdit(document, budget)
            if let pointer = paths.status, let status = recovery.status { try edit.set(pointer, string: status) }
            if let pointer = paths.updated { try edit.set(pointer, string: RFC3339Text.text(time)) }
            let result = try edit.applied(limits)
            return try StateValidator(self, limits: limits).validate(result, depth: depth, budget: budget).isValid ? result : nil
        }
    }

    /// The initial state with what is kept of the broken one; nil when there is none, or it would not follow the rules.
    ///
    /// - Parameter broken: nil: nothing of it can be read.
    /// - Throws: why the work was stopped.
    public func reset(
        _ broken: [UInt8]?, flowID: String, at time: Timestamp, limits: Limits, depth: ValidationDepth = .complete, budget: WorkBudget
    ) throws(StateError) -> [UInt8]? {
        let initial = try edited { () throws(StateError) in try initialState(of: flowID, at: time, limits: limits, budget: budget) }
        guard let initial else { return nil }
        let validator = StateValidator(self, limits: limits)
        if let broken, let old = try parse(broken, limits, budget), let document = try parse(initial, limits, budget) {
            let result = try edited { () throws(StateError) in try keeping(old, in: document, limits, budget) }
            if let result, try validator.validate(result, depth: depth, budget: budget).isValid { return result }
        }
        return try validator.validate(initial, depth: depth, budget: budget).isValid ? initial : nil
    }

    private func keeping(
        _ old: JSONDocument, in document: JSONDocument, _ limits: Limits, _ budget: WorkBudget
    ) throws(StateError) -> [UInt8] {
        var edit = StateEdit(document, budget)
        for pointer in recovery.kept {
            let text = try StateError.counting { () throws(WorkStopped) -> String? in
                guard let value = try old.root.value(at: pointer, budget)?.unlessNull else { return nil }
                try budget.spend(bytes: value.size)
                return String(decoding: value.text, as: UTF8.self)
            }
            guard let text else { continue }
            // What cannot be put there is not kept.
            _ = try edited { () throws(StateError) in
                try edit.set(pointer, text)
                return nil
            }
        }
        return try edit.applied(limits)
    }

    private func parse(_ state: [UInt8], _ limits: Limits, _ budget: WorkBudget) throws(StateError) -> JSONDocument? {
        try StateError.counting { () throws(WorkStopped) in
            try JSONDocument.parse(state, maximumDepth: limits.jsonDepth, budget).value
        }
    }
}
