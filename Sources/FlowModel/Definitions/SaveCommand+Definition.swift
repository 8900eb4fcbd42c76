extension SaveCommand {
    /// What a definition makes of the save: warnings, and what the state says of phase, status and progress where the client says nothing,
    /// and of labels, so that lists find the flow by them.
    ///
    /// - Throws: `stateInvalid` when the definition is enforced and the state breaks its rules.
    public func following(
        _ definition: FlowDefinition, limits: Limits
    ) throws(StateError) -> (command: SaveCommand, warnings: [StateError.Violation]) {
        let document = try? JSONDocument(state, maximumDepth: limits.jsonDepth)
        var warnings: [StateError.Violation] = []
        if definition.onSave != .off {
            let validator = StateValidator(definition, limits: limits)
            let report = document.map { validator.validate($0) } ?? validator.validate(state)
            if !report.isValid, definition.onSave == .enforce { throw .stateInvalid(report.violations) }
            warnings = report.violations + report.warnings
        }
        return (document.map { lifted(by: definition, $0.root, limits) } ?? self, warnings)
    }

    /// With what the state says of phase, status and progress where the command says nothing.
    public func lifted(by definition: FlowDefinition, limits: Limits) -> SaveCommand {
        guard let document = try? JSONDocument(state, maximumDepth: limits.jsonDepth) else { return self }
        return lifted(by: definition, document.root, limits)
    }

    private func lifted(by definition: FlowDefinition, _ root: JSONValue, _ limits: Limits) -> SaveCommand {
        var command = self
        if phase == nil { command.phase = Self.name(root, definition.paths.phase, limits) }
        if status == nil { command.status = Self.name(root, definition.paths.status, limits) }
        if progress == nil, let value = definition.paths.progress.flatMap({ root[$0]?.double }), (0...100).contains(value) {
            command.progress = value
        }
        if let changes = definition.labelChanges(root, limits: limits) {
            if let labels { command.labels = labels.applying(changes) } else { command.labelChanges = changes }
        }
        return command
    }

    /// Only what a client could have given.
    private static func name(_ root: JSONValue, _ pointer: JSONPointer?, _ limits: Limits) -> String? {
        guard let name = pointer.flatMap({ root[$0]?.string }), !name.isEmpty else { return nil }
        do throws(StateError) {
            try NameRule.check(name, field: "", maximumBytes: limits.idBytes)
            return name
        } catch {
            return nil
        }
    }
}
