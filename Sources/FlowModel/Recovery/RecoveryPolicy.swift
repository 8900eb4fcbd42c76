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

/// How flows of a type are recovered.
public struct RecoveryPolicy: Sendable {
    public var strategies: [RecoveryStrategy] = [.repair, .checkpoint, .reset]
    /// What a flow has after it went back; nil leaves it.
    public var status: String?
    /// Of the broken state, in a reset.
    public var kept: [JSONPointer] = []
}

extension FlowDefinition {
    /// An earlier state as it becomes the latest again; nil when it does not follow the rules.
    public func goingBack(to state: [UInt8], at time: Timestamp, limits: Limits) -> [UInt8]? {
        guard let document = try? JSONDocument(state, maximumDepth: limits.jsonDepth) else { return nil }
        var edit = StateEdit(document)
        do throws(StateError) {
            if let pointer = paths.status, let status = recovery.status { try edit.set(pointer, string: status) }
            if let pointer = paths.updated { try edit.set(pointer, string: RFC3339Text.text(time)) }
            let result = try edit.applied(limits)
            return StateValidator(self, limits: limits).validate(result).isValid ? result : nil
        } catch {
            return nil
        }
    }

    /// The initial state with what is kept of the broken one; nil when there is none, or it would not follow the rules.
    /// - Parameter broken: nil: nothing of it can be read.
    public func reset(_ broken: [UInt8]?, flowID: String, at time: Timestamp, limits: Limits) -> [UInt8]? {
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
            if let result = try? edit.applied(limits), validator.validate(result).isValid { return result }
        }
        return validator.validate(initial).isValid ? initial : nil
    }
}
