extension CompletePhaseCommand: LifecycleDecision {
    public static var operation: String { "complete" }

    public var content: [[UInt8]] { [Array((phase ?? "").utf8), results, metadata] }

    public func check(limits: Limits) throws(StateError) {
        if let phase { try NameRule.check(phase, field: "phase", maximumBytes: limits.idBytes) }
        try Self.checkJSON(results, "results", limits.stateBytes, limits)
        try Self.checkJSON(metadata, "metadata", limits.metadataBytes, limits)
    }

    public func next(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        var step = try LifecycleStep(snapshot, definition, now: now, limits: limits, budget: budget)
        let phase = phase ?? step.phase
        if let definition, !definition.phases.isEmpty {
            guard let known = definition.phase(phase) else {
                throw .invalidArgument(field: "phase", message: "\"\(phase)\" is no phase of \"\(definition.flowType)\"")
            }
            try step.checkIsOpen(to: phase)
            // The flow is in it, or has been: results may come late, but not before the phase.
            if let now = definition.phaseNumber(step.phase), let then = definition.phaseNumber(phase), then > now {
                let missing = try step.missing(before: known, leaving: step.phase)
                throw .transitionNotAllowed(from: step.phase, to: phase, missing: missing)
            }
        }
        if let paths = step.definition?.paths {
            if let pointer = paths.completion { try step.edit?.set(pointer.appending(phase), "true") }
            if let pointer = paths.log { try step.edit?.append(pointer, try entry(phase, now, budget)) }
            if !results.isEmpty {
                guard let pointer = paths.results else {
                    throw .invalidArgument(field: "results", message: "the flow's definition does not say where they go (paths.results)")
                }
                try step.edit?.set(pointer.pointer(phase), String(decoding: results, as: UTF8.self))
            }
        }
        var command = try step.save(.phaseCompleted, key: request.key, actor: request.actor, metadata: metadata)
        command.checkpoint = CheckpointRequest(id: checkpointID, description: "\(phase) complete".prefixed(limits.descriptionBytes))
        try step.check(command)
        return command
    }

    /// What the log keeps: results can be long, so of them only what a reader looks for.
    private func entry(_ phase: String, _ now: Timestamp, _ budget: WorkBudget) throws(StateError) -> String {
        var summary = JSONObjectText()
        try StateError.counting { () throws(WorkStopped) in
            // As deep as any that was checked.
            guard let document = try JSONDocument.parse(results, maximumDepth: .max, budget).value else { return }
            for name in ["status", "records_processed", "errors", "warnings"] {
                guard let value = try document.root.member(name, budget), value.kind != .object, value.size <= 256 else { continue }
                summary.add(name, json: Array(value.text))
            }
        }
        var entry = JSONObjectText()
        entry.add("timestamp", RFC3339Text.text(now))
        entry.add("event", "phase_completed")
        entry.add("phase", phase)
        entry.add("results_summary", json: summary.text)
        return entry.text
    }
}
