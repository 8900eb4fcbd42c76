import JSON

extension TransitionCommand: LifecycleDecision {
    package static var operation: String { "transition" }

    package var content: [[UInt8]] { [Array(phase.utf8), Array(reason.utf8), phaseData, [isForced ? 1 : 0]] }

    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(phase, field: "phase", maximumBytes: limits.idBytes)
        try Self.checkText(reason, "reason", limits.descriptionBytes)
        try Self.checkJSON(phaseData, "phase_data", limits.stateBytes, limits)
    }

    package func next(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        var step = try LifecycleStep(snapshot, definition, now: now, limits: limits, budget: budget)
        let from = step.phase
        var target: FlowDefinition.Phase?
        if let definition, !definition.phases.isEmpty {
            target = definition.phase(phase)
            guard target != nil else {
                let known = definition.phases.map(\.name).joined(separator: ", ")
                throw .invalidArgument(
                    field: "phase", message: "\"\(phase)\" is not a phase of \"\(definition.flowType)\"; it has \(known)")
            }
            if !isForced, let target { try Self.judge(target, step, definition) }
        }
        try enter(target, from, &step)

        var metadata = JSONObjectText()
        metadata.add("from", from)
        metadata.add("to", phase)
        if !reason.isEmpty { metadata.add("reason", reason) }
        if isForced { metadata.add("forced", json: "true") }
        var command = try step.save(.transitioned, key: request.key, actor: request.actor, metadata: Array(metadata.text.utf8))
        command.phase = phase
        command.progress = target?.progress
        command.checkpoint = CheckpointRequest(
            id: checkpointID, description: "before \(phase)".prefixed(limits.descriptionBytes), isOfVersionBefore: true)
        if !isForced { try step.check(command) }
        return command
    }

    /// Allows only a transition forward, to a phase whose required phases are complete.
    private static func judge(
        _ target: FlowDefinition.Phase, _ step: LifecycleStep, _ definition: FlowDefinition
    ) throws(StateError) {
        let (now, then) = (definition.phaseNumber(step.phase), definition.phaseNumber(target.name))
        let isForward = now.map { now in then.map { now < $0 } ?? false } ?? true
        if let fault = definition.fault(from: step.phase, status: step.status, isForward: isForward) {
            throw .transitionNotAllowed(from: step.phase, to: target.name, missing: [], because: fault)
        }
        let missing = try step.missing(before: target, leaving: step.phase)
        if !missing.isEmpty { throw .transitionNotAllowed(from: step.phase, to: target.name, missing: missing) }
    }

    /// Writes the new phase into the state.
    private func enter(_ target: FlowDefinition.Phase?, _ from: String, _ step: inout LifecycleStep) throws(StateError) {
        guard let paths = step.definition?.paths else { return }
        if let pointer = paths.phase { try step.edit?.set(pointer, string: phase) }
        if let pointer = paths.progress, let progress = target?.progress { try step.edit?.set(pointer, progress.json) }
        if let pointer = paths.completion, step.definition?.phase(from)?.completesOnLeave ?? false {
            try step.edit?.set(pointer.appending(from), "true")
        }
        if !phaseData.isEmpty {
            guard let pointer = paths.data else {
                throw .invalidArgument(field: "phase_data", message: "the definition does not say where to store it (paths.data)")
            }
            try step.edit?.set(pointer.pointer(phase), String(decoding: phaseData, as: UTF8.self))
        }
    }
}

extension Double {
    /// As JSON spells it; whole numbers without a fraction.
    var json: String { self == rounded() && magnitude < 1e15 ? "\(Int64(self))" : "\(self)" }
}
