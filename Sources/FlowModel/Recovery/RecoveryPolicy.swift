import JSON

/// The strategies of recovery.
package enum RecoveryStrategy: String, Sendable, CaseIterable {
    /// The latest state, repaired.
    case repair
    /// The newest checkpoint whose state follows the rules.
    case checkpoint
    /// The newest version whose state follows the rules.
    case version
    /// The initial state, with the parts of the broken one that the definition keeps.
    case reset
}

/// Calls that start a recovery by themselves when they find the latest state broken. A read starts none, and the save of a whole state
/// needs none: it replaces the broken one.
package enum RecoveryTrigger: String, Sendable, CaseIterable {
    /// `ReportError`: the flow is recovered first, so that the error stays in its state.
    case errorReport = "error_report"
    /// A transition, completion or change of status that cannot be applied to the state.
    case step
    /// A patch that cannot be applied to the state.
    case patch
}

/// How flows of a type are recovered.
package struct RecoveryPolicy: Sendable {
    package var strategies: [RecoveryStrategy] = [.repair, .checkpoint, .reset]
    /// The status of a flow after it went back; nil: unchanged.
    package var status: String?
    /// The places of the broken state that a reset keeps.
    package var kept: [JSONPointer] = []
    /// Empty: only `RecoverFlow` recovers.
    package var triggers: [RecoveryTrigger] = []
    /// The depth at which triggers find a state broken. While a flow is worked on step by step, its state may have the right structure and
    /// lack results that come later: going back would lose what it has.
    package var automaticDepth = ValidationDepth.complete
}

extension FlowDefinition {
    /// Whether a flow in this phase, with this status, is recovered automatically. One that has ended stays as it is.
    package func recovers(on trigger: RecoveryTrigger, phase: String, status: String) -> Bool {
        recovery.triggers.contains(trigger) && !isEnded(phase: phase, status: status)
    }

    /// An earlier state, edited to become the latest again; nil when it does not follow the rules.
    ///
    /// - Throws: why the work was stopped.
    package func goingBack(
        to state: [UInt8], at time: Timestamp, limits: Limits, depth: ValidationDepth = .complete, budget: WorkBudget
    ) throws(StateError) -> [UInt8]? {
        guard let document = try parse(state, limits, budget) else { return nil }
        return try edited { () throws(StateError) in
            var edit = StateEdit(document, budget)
            if let pointer = paths.status, let status = recovery.status { try edit.set(pointer, string: status) }
            if let pointer = paths.updated { try edit.set(pointer, string: time.text) }
            let result = try edit.applied(limits)
            return try StateValidator(self, limits: limits).validate(result, depth: depth, budget: budget).isValid ? result : nil
        }
    }

    /// The initial state with what is kept of the broken one; nil when there is none, or it does not follow the rules.
    ///
    /// - Parameter broken: nil: it cannot be read.
    /// - Throws: why the work was stopped.
    package func reset(
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
            // A value that cannot be set is not kept.
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
