import JSON

extension SetStatusCommand: LifecycleDecision {
    package static var operation: String { "set_status" }

    package var content: [[UInt8]] {
        let labels = setLabels.entries.flatMap { [Array($0.name.utf8), Array($0.value.utf8)] }
        return [Array((status ?? "").utf8), Array("\(progress.map(\.bitPattern) ?? 0)".utf8)] + labels
            + removedLabels.map { Array($0.utf8) }
    }

    package func check(limits: Limits) throws(StateError) {
        if let status { try NameRule.check(status, field: "status", maximumBytes: limits.idBytes) }
        if let progress, !(progress >= 0 && progress <= 100) {
            throw .invalidArgument(field: "progress", message: "is \(progress); it must lie between 0 and 100")
        }
        try setLabels.check(limits: limits, field: "set_labels")
        if status == nil, progress == nil, setLabels.isEmpty, removedLabels.isEmpty {
            throw .invalidArgument(field: "status", message: "nothing is to be set: give a status, a progress or labels")
        }
    }

    package func next(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        var step = try LifecycleStep(snapshot, definition, now: now, limits: limits, budget: budget)
        if let status { try Self.judge(status, step) }
        if let paths = definition?.paths {
            if let pointer = paths.status, let status { try step.edit?.set(pointer, string: status) }
            if let pointer = paths.progress, let progress { try step.edit?.set(pointer, progress.json) }
        }
        var metadata = JSONObjectText()
        if let status {
            metadata.add("from", step.status)
            metadata.add("to", status)
        }
        var command = try step.save(.statusSet, key: request.key, actor: request.actor, metadata: Array(metadata.text.utf8))
        command.status = status
        command.progress = progress
        if !setLabels.isEmpty || !removedLabels.isEmpty {
            let changes = labelChanges(of: snapshot.head.labels)
            command.labelChanges = command.labelChanges.map { changes.followed(by: $0) } ?? changes
            if let count = snapshot.head.labels.excess(after: command.labelChanges ?? changes, limits: limits) {
                throw .invalidArgument(field: "set_labels", message: "the flow would have \(count) labels, the limit is \(limits.labels)")
            }
        }
        try step.check(command)
        return command
    }

    /// Removes only labels that the flow has.
    private func labelChanges(of labels: Labels) -> LabelChanges {
        let removed = Set(removedLabels.map { Name($0) })
        let gone = labels.entries.filter { removed.contains(Name($0.name)) }.map { LabelChanges.Entry(name: $0.name, value: nil) }
        return LabelChanges(gone).followed(by: LabelChanges(setLabels.entries.map { LabelChanges.Entry(name: $0.name, value: $0.value) }))
    }

    private static func judge(_ status: String, _ step: LifecycleStep) throws(StateError) {
        guard let definition = step.definition, !definition.statuses.isEmpty else { return }
        guard definition.status(status) != nil else {
            let known = definition.statuses.map(\.name).joined(separator: ", ")
            throw .invalidArgument(field: "status", message: "\"\(status)\" is not a status of \"\(definition.flowType)\"; it has \(known)")
        }
        guard let next = definition.status(step.status)?.next, !step.status.hasSameBytes(as: status) || next.isEmpty else { return }
        if !next.containsBytes(of: status) { throw .statusNotAllowed(from: step.status, to: status, allowed: next) }
    }
}
