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

/// What starts a recovery that nobody asked for, when it meets a latest state that is broken. Nothing that only reads is among them, and a
/// save of a whole state needs none: it takes the broken one's place.
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
    /// None: only when somebody asks.
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
    public func goingBack(
        to state: [UInt8], at time: Timestamp, limits: Limits, depth: ValidationDepth = .complete
    ) -> [UInt8]? {
        guard let document = try? JSONDocument(state, maximumDepth: limits.jsonDepth) else { return nil }
        var edit = StateEdit(document)
        do throws(StateError) {
            if let pointer = paths.status, let status = recovery.status { try edit.set(pointer, string: status) }
            if let pointer = paths.updated { try edit.set(pointer, string: RFC3339Text.text(time)) }
            let result = try edit.applied(limits)
            return StateValidator(self, limits: limits).validate(result, depth: depth).isValid ? result : nil
        } catch {
            return nil
        }
    }

    /// The initial state with what is kept of the broken one; nil when there is none, or it would not follow the rules.
    /// - Parameter broken: nil: nothing of it can be read.
    public func reset(
        _ broken: [UInt8]?, flowID: String, at time: Timestamp, limits: Limits, depth: ValidationDepth = .complete
    ) -> [UInt8]? {
        guard let initial = try? initialState(of: flowID, at: time, limits: limits) else { return nil }
        let validator = StateValidator(self, limits: limits)
        if let broken, let old = try? JSONDocument(broken, maximumDepth: limits.jsonDepth),
            let document = try? JSONDocument(initial, maximumDepth: limits.jsonDepth)
        {
            var edit = StateEdit(document)
            for pointer in recovery.kept {
                guard let value = old.root[pointer]?.unlessNull else { continue }
                // What cannot be put there is not kept.
                try? edit.set(pointer, String(decoding: value.text, as: UTF8.self))
            }
            if let result = try? edit.applied(limits), validator.validate(result, depth: depth).isValid { return result }
        }
        return validator.validate(initial, depth: depth).isValid ? initial : nil
    }
}
