/// The phase in which a save finds its flow.
public enum CurrentPhase: Sendable, Equatable {
    /// There is no flow: the save makes it.
    case absent
    /// Only PostgreSQL can tell.
    case unknown
    /// Empty: none.
    case at(String)
}

extension SaveCommand {
    /// Whether `following` must know in which phase the flow is: the client names one, which must be allowed from there, or the save may
    /// make the flow, which then begins in the definition's first.
    public func needsCurrentPhase(_ definition: FlowDefinition) -> Bool {
        if definition.phases.isEmpty { return false }
        if phase != nil { return namesPhase && definition.onSave == .enforce }
        if case .expected = precondition { return false }
        return true
    }

    /// What a definition makes of the save: warnings, and what the state says of phase, status and progress where the client says nothing,
    /// and of labels, so that lists find the flow by them. A flow that the save makes begins in the definition's first phase, unless the
    /// client or the state says otherwise.
    ///
    /// - Throws: when the definition is enforced, `stateInvalid` for a state that breaks its rules and `transitionNotAllowed` for a phase
    ///   that may not follow; `invalidArgument` for more labels than a flow may have; or why the work was stopped.
    public func following(
        _ definition: FlowDefinition, from current: CurrentPhase, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> (command: SaveCommand, warnings: [StateError.Violation]) {
        let parsed = try parse(limits, budget)
        let document = parsed.value
        // What lists find the flow by comes first: a state that takes too much work to check may still be saved with a warning.
        var command =
            try document.map { (document) throws(StateError) in try lifted(by: definition, document.root, limits, budget) } ?? self
        if namesPhase, definition.onSave == .enforce, let phase, let document {
            try definition.checkPhase(phase, after: current, document, limits, budget)
        }
        if command.phase == nil, current == .absent { command.phase = definition.phases.first?.name }
        if definition.onSave == .off { return (command, []) }
        let validator = StateValidator(definition, limits: limits)
        let report =
            if let document {
                try validator.validate(document, budget: budget)
            } else {
                try validator.validate(state, budget: budget)
            }
        if !report.isValid, definition.onSave == .enforce { throw .stateInvalid(report.violations) }
        return (command, report.violations + report.warnings)
    }

    /// With what the state says of phase, status and progress where the command says nothing.
    public func lifted(by definition: FlowDefinition, limits: Limits, budget: WorkBudget) throws(StateError) -> SaveCommand {
        guard let document = try parse(limits, budget).value else { return self }
        return try lifted(by: definition, document.root, limits, budget)
    }

    /// Whether the phase is what a client asks for. What restores or recovers a state brings its phase back, whatever was allowed before.
    private var namesPhase: Bool { phase != nil && (kind == .saved || kind == .created) }

    private func parse(_ limits: Limits, _ budget: WorkBudget) throws(StateError) -> Result<JSONDocument, JSONText.Fault> {
        try StateError.counting { () throws(WorkStopped) in
            try JSONDocument.parse(state, maximumDepth: limits.jsonDepth, budget)
        }
    }

    private func lifted(
        by definition: FlowDefinition, _ root: JSONValue, _ limits: Limits, _ budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        var command = self
        let changes = try StateError.counting { () throws(WorkStopped) in
            if phase == nil { command.phase = try Self.name(root, definition.paths.phase, limits, budget) }
            if status == nil { command.status = try Self.name(root, definition.paths.status, limits, budget) }
            if progress == nil, let pointer = definition.paths.progress,
                let value = try root.value(at: pointer, budget)?.double, (0...100).contains(value)
            {
                command.progress = value
            }
            return try definition.labelChanges(root, limits: limits, budget: budget)
        }
        if let changes {
            if let labels { command.labels = labels.applying(changes) } else { command.labelChanges = changes }
        }
        try command.checkLabels(limits)
        return command
    }

    /// The client's labels and those of the state are one flow's, and bounded together.
    private func checkLabels(_ limits: Limits) throws(StateError) {
        let count = labels?.entries.count ?? labelChanges?.entries.count { $0.value != nil } ?? 0
        if count > limits.labels { throw .tooManyLabels(count, limits) }
    }

    /// Only what a client could have given.
    private static func name(
        _ root: JSONValue, _ pointer: JSONPointer?, _ limits: Limits, _ budget: WorkBudget
    ) throws(WorkStopped) -> String? {
        // One that is too long, however it is spelled, is not even read.
        guard let pointer, let value = try root.value(at: pointer, budget), value.size <= 2 + 6 * limits.idBytes,
            let name = value.string, !name.isEmpty
        else { return nil }
        do throws(StateError) {
            try NameRule.check(name, field: "", maximumBytes: limits.idBytes)
            return name
        } catch {
            return nil
        }
    }
}

extension FlowDefinition {
    /// Whether a save may name a phase: one that the definition has and that lies ahead, when what it requires is complete in the state
    /// that is saved. A flow stays in its phase without asking, and begins in any.
    fileprivate func checkPhase(
        _ name: String, after current: CurrentPhase, _ state: JSONDocument, _ limits: Limits, _ budget: WorkBudget
    ) throws(StateError) {
        if phases.isEmpty { return }
        let from = if case .at(let phase) = current { phase } else { "" }
        guard let target = phase(name) else { throw .transitionNotAllowed(from: from, to: name, missing: []) }
        guard case .at = current, !from.hasSameBytes(as: name) else { return }
        let isEnd = phase(from)?.isTerminal ?? false
        let isForward = phaseNumber(from).map { from in phaseNumber(name).map { from < $0 } ?? false } ?? true
        if isEnd || !isForward { throw .transitionNotAllowed(from: from, to: name, missing: []) }
        let complete = try StateError.counting { () throws(WorkStopped) in try completions(state.root, budget) }
        let missing = missing(before: target, leaving: from, complete: complete)
        if !missing.isEmpty { throw .transitionNotAllowed(from: from, to: name, missing: missing) }
    }

    /// The phases that a state says are complete.
    func completions(_ root: JSONValue, _ budget: WorkBudget) throws(WorkStopped) -> Set<JSONName> {
        guard let pointer = paths.completion, let completion = try root.value(at: pointer, budget) else { return [] }
        var names: Set<JSONName> = []
        try completion.forEachLastMember(budget) { (member) throws(WorkStopped) in
            guard member.value.isTrue else { return }
            try budget.take(bytes: 96)
            names.insert(JSONName(spelled: member.key.text))
        }
        return names
    }

    /// What a phase requires, directly or through others, that is not complete, in the definition's order.
    ///
    /// - Parameter leaving: counts as complete if leaving completes it.
    func missing(before phase: Phase, leaving current: String, complete: Set<JSONName>) -> [String] {
        var required: Set<Name> = []
        var next = phase.requires
        while let name = next.popLast() {
            if required.insert(Name(name)).inserted { next += self.phase(name)?.requires ?? [] }
        }
        return phases.filter { other in
            let isLeft = other.completesOnLeave && other.name.hasSameBytes(as: current)
            return required.contains(Name(other.name)) && !complete.contains(JSONName(other.name)) && !isLeft
        }.map(\.name)
    }
}
