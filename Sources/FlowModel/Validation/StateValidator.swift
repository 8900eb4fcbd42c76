/// Holds states against a definition. Pure: no clock, no I/O; reading never changes a state.
public struct StateValidator: Sendable {
    private let definition: FlowDefinition
    private let limits: Limits

    public init(_ definition: FlowDefinition, limits: Limits) {
        self.definition = definition
        self.limits = limits
    }

    /// All violations, not only the first. A text that is no JSON has one, of the rule `syntax`. The minimal depth reads no more of the
    /// arrays and objects in the state than its rules look into: in the others it may miss that a text is no JSON.
    public func validate(_ state: [UInt8], depth: ValidationDepth = .complete) -> ValidationReport {
        if depth == .minimal, let document = JSONDocument(shallow: state, maximumDepth: limits.jsonDepth) {
            let report = validate(document, depth: depth)
            if !document.isFaulty { return report }
        }
        do {
            return validate(try JSONDocument(state, maximumDepth: limits.jsonDepth), depth: depth)
        } catch {
            var report = ValidationReport()
            report.violations = [StateError.Violation(path: "", rule: "syntax", message: "the state is not JSON: \(error)")]
            return report
        }
    }

    public func validate(_ state: JSONDocument, depth: ValidationDepth = .complete) -> ValidationReport {
        var report = ValidationReport()
        let entries = definition.rules.filter { $0.depths.contains(depth) }
        let root = state.root
        // Rules ask for members: of a state that has none they would only say that everything is missing.
        if root.kind != .object, entries.contains(where: { !$0.path.tokens.isEmpty }) {
            let message = "the state is \(root.kind.article) \(root.kind.name), not an object"
            report.violations = [StateError.Violation(path: "", rule: TypeRule.kind, message: message)]
            return report
        }
        let context = RuleContext(root, definition)
        var (errors, warnings) = (RuleReport(limits), RuleReport(limits))
        for entry in entries {
            let value = root[entry.path]?.unlessNull
            switch entry.severity {
            case .error:
                errors.rule = entry.name
                entry.rule.check(value, at: entry.path, context, &errors)
            case .warning:
                warnings.rule = entry.name
                entry.rule.check(value, at: entry.path, context, &warnings)
            }
        }
        if depth == .complete, let schema = definition.schema {
            errors.rule = JSONSchema.rule
            schema.check(root, steps: limits.schemaWork, &errors)
        }
        report.violations = errors.listed
        report.warnings = warnings.listed
        return report
    }
}
