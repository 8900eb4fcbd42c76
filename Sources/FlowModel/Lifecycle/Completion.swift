import JSON

extension CompletePhaseCommand: LifecycleDecision {
    package static var operation: String { "complete" }

    package var content: [[UInt8]] { [Array((phase ?? "").utf8), results, metadata] }

    package func check(limits: Limits) throws(StateError) {
        if let phase { try NameRule.check(phase, field: "phase", maximumBytes: limits.idBytes) }
        try Self.checkJSON(results, "results", limits.stateBytes, limits)
        try Self.checkJSON(metadata, "metadata", limits.metadataBytes, limits)
    }

    package func next(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        var step = try LifecycleStep(snapshot, definition, now: now, limits: limits, budget: budget)
        let phase = phase ?? step.phase
        if let definition, !definition.phases.isEmpty {
            guard let known = definition.phase(phase) else {
                throw .invalidArgument(field: "phase", message: "\"\(phase)\" is not a phase of \"\(definition.flowType)\"")
            }
            // A flow may complete its last phase while it is in it.
            if definition.isFinal(step.status) {
                throw .transitionNotAllowed(from: step.phase, to: phase, missing: [], because: .ended(status: step.status))
            }
            // The flow must be in the phase or past it: results may come late, but not early.
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
                    throw .invalidArgument(field: "results", message: "the definition does not say where to store them (paths.results)")
                }
                try step.edit?.set(pointer.pointer(phase), String(decoding: results, as: UTF8.self))
            }
        }
        var command = try step.save(.phaseCompleted, key: request.key, actor: request.actor, metadata: metadata)
        command.checkpoint = CheckpointRequest(id: checkpointID, description: "\(phase) complete".prefixed(limits.descriptionBytes))
        try step.check(command)
        return command
    }

    /// The entry for the log. Results can be long, so it keeps only the members that a reader looks for.
    private func entry(_ phase: String, _ now: Timestamp, _ budget: WorkBudget) throws(StateError) -> String {
        var summary = JSONObjectText()
        try StateError.counting { () throws(WorkStopped) in
            // The depth was checked with the command.
            guard let document = try JSONDocument.parse(results, maximumDepth: .max, budget).value else { return }
            for name in ["status", "records_processed", "errors", "warnings"] {
                guard let value = try document.root.member(name, budget), value.kind != .object, value.size <= 256 else { continue }
                summary.add(name, json: Array(value.text))
            }
        }
        var entry = JSONObjectText()
        entry.add("timestamp", now.text)
        entry.add("event", "phase_completed")
        entry.add("phase", phase)
        entry.add("results_summary", json: summary.text)
        return entry.text
    }
}
