import JSON

extension ReportErrorCommand: LifecycleDecision {
    package static var operation: String { "error" }
    package static var trigger: RecoveryTrigger { .errorReport }

    package var content: [[UInt8]] {
        [Array((phase ?? "").utf8), Array(errorType.utf8), Array(message.utf8), details, [isRetryable ? 1 : 0]]
    }

    package func check(limits: Limits) throws(StateError) {
        if let phase { try NameRule.check(phase, field: "phase", maximumBytes: limits.idBytes) }
        try NameRule.check(errorType, field: "error_type", maximumBytes: limits.idBytes, mayBeEmpty: true)
        try Self.checkText(message, "message", limits.descriptionBytes)
        try Self.checkJSON(details, "details", limits.errorDetailsBytes, limits)
    }

    /// Records the error in every flow, whatever its state and even when it has ended. Where the state cannot hold the error, only the
    /// version's metadata does.
    package func next(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        do throws(StateError) {
            return try next(try LifecycleStep(leaving: snapshot, definition, now: now, limits: limits, budget: budget), definition)
        } catch .workLimitExceeded {
            // A state that takes too much work is left as it is, like one that cannot be changed.
            return try next(try LifecycleStep(leaving: snapshot, nil, now: now, limits: limits, budget: budget), definition)
        }
    }

    private func next(_ start: LifecycleStep, _ definition: FlowDefinition?) throws(StateError) -> SaveCommand {
        var step = start
        let now = step.now
        let phase = phase ?? step.phase
        let isEnded = definition?.isEnded(phase: step.phase, status: step.status) ?? false
        let known = definition?.statuses ?? []
        let status = isEnded ? nil : known.isEmpty ? "failed" : known.first(where: \.isOfErrors)?.name
        let unchanged = step.edit
        do throws(StateError) {
            if let pointer = definition?.paths.errors { try step.edit?.append(pointer, entry(phase, now)) }
        } catch {
            step.edit = unchanged
        }
        let withoutStatus = step.edit
        do throws(StateError) {
            if let pointer = definition?.paths.status, let status { try step.edit?.set(pointer, string: status) }
        } catch {
            step.edit = withoutStatus
        }
        let metadata = Array(metadata(phase).utf8)
        var command: SaveCommand
        do throws(StateError) {
            command = try step.save(.errorReported, key: request.key, actor: request.actor, metadata: metadata)
        } catch {
            step.edit = nil
            command = try step.save(.errorReported, key: request.key, actor: request.actor, metadata: metadata)
        }
        // The labels that the definition derives from the state may be too many: then the flow keeps those it has.
        if let changes = command.labelChanges, step.snapshot.head.labels.excess(after: changes, limits: step.limits) != nil {
            command.labelChanges = nil
        }
        command.status = status
        if let status {
            command.notification = .errorReported(
                id: notificationID, flowID: request.key.flowID, phase: phase, status: status, error: message, isRetryable: isRetryable)
        }
        return command
    }

    private func entry(_ phase: String, _ now: Timestamp) -> String {
        var entry = JSONObjectText()
        entry.add("timestamp", now.text)
        entry.add("phase", phase)
        if !errorType.isEmpty { entry.add("error_type", errorType) }
        entry.add("error", message)
        entry.add("details", json: details)
        return entry.text
    }

    private func metadata(_ phase: String) -> String {
        var object = JSONObjectText()
        object.add("phase", phase)
        object.add("error_type", errorType)
        object.add("error", message)
        object.add("retryable", json: isRetryable ? "true" : "false")
        object.add("details", json: details)
        return object.text
    }
}
