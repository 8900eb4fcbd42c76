import JSON

/// The phase and status in which a save finds its flow.
package enum CurrentPlace: Sendable, Equatable {
    /// The flow does not exist: the save creates it.
    case absent
    /// Only PostgreSQL can tell.
    case unknown
    /// Its phase and status; empty: it has none.
    case at(phase: String, status: String)
}

extension SaveCommand {
    /// Whether `following` must know the flow's current phase: the client names a phase, which must be allowed from there, or the save may
    /// create the flow, which then begins in the definition's first phase.
    package func needsCurrentPhase(_ definition: FlowDefinition) -> Bool {
        if definition.phases.isEmpty { return false }
        if phase != nil { return namesPhase && definition.onSave == .enforce }
        if case .expected = precondition { return false }
        return true
    }

    /// Applies a definition to the save: validates the state, takes from it phase, status and progress where the client gives none, and the
    /// labels that lists filter by. A flow that the save creates begins in the definition's first phase, unless the client or the state
    /// says otherwise.
    ///
    /// - Throws: when the definition is enforced, `stateInvalid` for a state that breaks its rules and `transitionNotAllowed` for a phase
    ///   that may not follow; `invalidArgument` for more labels than a flow may have; or why the work was stopped.
    package func following(
        _ definition: FlowDefinition, from current: CurrentPlace, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> (command: SaveCommand, warnings: [Violation]) {
        let parsed = try parse(limits, budget)
        let document = parsed.value
        // What lists filter by comes first: a state that takes too much work to validate may still be saved with a warning.
        var command =
            try document.map { (document) throws(StateError) in try lifted(by: definition, document.root, limits, budget) } ?? self
        if namesPhase, definition.onSave == .enforce, let phase, let document {
            try definition.checkPhase(phase, after: current, document, limits, budget)
        }
        if command.phase == nil, current == .absent { command.phase = definition.phases.first?.name }
        // Where the flow is now, only its head knows at the save: what is known here may be past.
        command.takeLimits(of: definition)
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

    /// Takes labels from the state, and phase, status and progress where the command gives none; and the time limits of both.
    package func lifted(by definition: FlowDefinition, limits: Limits, budget: WorkBudget) throws(StateError) -> SaveCommand {
        var command = self
        if let document = try parse(limits, budget).value { command = try lifted(by: definition, document.root, limits, budget) }
        command.takeLimits(of: definition)
        return command
    }

    /// Whether a client asks for the phase. Restoring or recovering a state brings its phase back, whatever the definition allows.
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

    /// Labels from the client and from the state count together.
    private func checkLabels(_ limits: Limits) throws(StateError) {
        let count = labels?.entries.count ?? labelChanges?.entries.count { $0.value != nil } ?? 0
        if count > limits.labels { throw .tooManyLabels(count, limits) }
    }

    /// A string of the state that a client could have given as a name.
    private static func name(
        _ root: JSONValue, _ pointer: JSONPointer?, _ limits: Limits, _ budget: WorkBudget
    ) throws(WorkStopped) -> String? {
        // A value that is too long in any spelling is not decoded.
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
    /// Checks a phase that a save names: the definition must have it, it must lie ahead, and the saved state must have completed the phases
    /// that it requires. A flow may always stay in its phase, and may begin in any.
    fileprivate func checkPhase(
        _ name: String, after current: CurrentPlace, _ state: JSONDocument, _ limits: Limits, _ budget: WorkBudget
    ) throws(StateError) {
        if phases.isEmpty { return }
        let (from, status) = if case .at(let phase, let status) = current { (phase, status) } else { ("", "") }
        guard let target = phase(name) else { throw .transitionNotAllowed(from: from, to: name, missing: [], because: .unknownPhase) }
        guard case .at = current, !from.hasSameBytes(as: name) else { return }
        let isForward = phaseNumber(from).map { from in phaseNumber(name).map { from < $0 } ?? false } ?? true
        if let fault = fault(from: from, status: status, isForward: isForward) {
            throw .transitionNotAllowed(from: from, to: name, missing: [], because: fault)
        }
        let complete = try StateError.counting { () throws(WorkStopped) in try completions(state.root, budget) }
        let missing = missing(before: target, leaving: from, complete: complete)
        if !missing.isEmpty { throw .transitionNotAllowed(from: from, to: name, missing: missing) }
    }

    /// Why a flow with this phase and status may not go on to another phase at all.
    func fault(from phase: String, status: String, isForward: Bool) -> StateError.TransitionFault? {
        if isEnded(phase: phase, status: status) { return .ended(status: isFinal(status) ? status : nil) }
        return isForward ? nil : .backward
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

    /// The phases that a phase requires, directly or through others, and that are not complete, in the definition's order.
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
