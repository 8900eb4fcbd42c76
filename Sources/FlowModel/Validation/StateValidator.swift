import JSON

/// Validates states against a definition. Pure: no clock, no I/O; reading never changes a state.
package struct StateValidator: Sendable {
    private let definition: FlowDefinition
    private let limits: Limits

    /// The rule that a state breaks when checking it takes more work than a call may.
    static let workRule = "work"

    package init(_ definition: FlowDefinition, limits: Limits) {
        self.definition = definition
        self.limits = limits
    }

    /// All violations, not only the first. A text that is not JSON breaks the rule `syntax`. A state that takes more work than the budget
    /// has breaks the rule `work`: only a state that was checked as a whole is valid. The minimal depth parses only those arrays and
    /// objects in the state into which its rules look: in the others it may miss that a text is not JSON.
    ///
    /// - Throws: `cancelled` or `deadlineExceeded`, when the call has ended meanwhile.
    package func validate(
        _ state: [UInt8], depth: ValidationDepth = .complete, budget: WorkBudget
    ) throws(StateError) -> ValidationReport {
        let parsed: Result<JSONDocument, JSONText.Fault>
        do throws(WorkStopped) {
            if depth == .minimal {
                // Each part of the text is read once at most.
                try budget.spend(bytes: state.count)
                if let document = try JSONDocument(shallow: state, maximumDepth: limits.jsonDepth, budget) {
                    let report = try report(document, depth, budget)
                    if !document.isFaulty { return report }
                }
            }
            parsed = try JSONDocument.parse(state, maximumDepth: limits.jsonDepth, budget)
        } catch {
            return try Self.report(error)
        }
        switch parsed {
        case .success(let document): return try validate(document, depth: depth, budget: budget)
        case .failure(let fault): return Self.report("syntax", "the state is not JSON: \(fault)")
        }
    }

    package func validate(
        _ state: JSONDocument, depth: ValidationDepth = .complete, budget: WorkBudget
    ) throws(StateError) -> ValidationReport {
        do throws(WorkStopped) {
            return try report(state, depth, budget)
        } catch {
            return try Self.report(error)
        }
    }

    private static func report(_ rule: String, _ message: String) -> ValidationReport {
        var report = ValidationReport()
        report.violations = [Violation(path: "", rule: rule, message: message)]
        return report
    }

    private static func report(_ stopped: WorkStopped) throws(StateError) -> ValidationReport {
        guard case .exhausted(let limit) = stopped else { throw StateError(stopped) }
        return report(workRule, exhausted(limit))
    }

    private static func exhausted(_ limit: Int) -> String {
        "the state cannot be checked: that would take more than \(limit) steps (limit work)"
    }

    /// - Throws: when the call has ended; an exhausted budget is a violation in the report.
    private func report(_ state: JSONDocument, _ depth: ValidationDepth, _ budget: WorkBudget) throws(WorkStopped) -> ValidationReport {
        let entries = definition.rules.filter { $0.depths.contains(depth) }
        let root = state.root
        // Rules look up members: for a state without any they would only report that everything is missing.
        if root.kind != .object, entries.contains(where: { !$0.path.tokens.isEmpty }) {
            return Self.report(TypeRule.kind, "the state is \(root.kind.article) \(root.kind.name), not an object")
        }
        var (errors, warnings) = (RuleReport(budget), RuleReport(budget))
        do throws(WorkStopped) {
            let context = try RuleContext(root, definition, budget)
            for entry in entries { try check(entry, root, context, &errors, &warnings) }
            if depth == .complete, let schema = definition.schema {
                errors.rule = JSONSchema.rule
                try schema.check(root, &errors)
            }
        } catch .exhausted(let limit) {
            errors.rule = Self.workRule
            errors.add(.root, Self.exhausted(limit))
        } catch {
            throw error
        }
        var report = ValidationReport()
        report.violations = errors.listed
        report.warnings = warnings.listed
        return report
    }

    private func check(
        _ entry: RuleEntry, _ root: JSONValue, _ context: RuleContext, _ errors: inout RuleReport, _ warnings: inout RuleReport
    ) throws(WorkStopped) {
        try errors.budget.spend(2)
        let value = try root.value(at: entry.path, errors.budget)?.unlessNull
        switch entry.severity {
        case .error:
            errors.rule = entry.name
            try entry.rule.check(value, at: entry.path, context, &errors)
        case .warning:
            warnings.rule = entry.name
            try entry.rule.check(value, at: entry.path, context, &warnings)
        }
    }
}

/// The result of validating a state.
package struct ValidationReport: Sendable, Equatable {
    /// Broken rules, in the order of the definition.
    package var violations: [Violation] = []
    /// Breaches of rules with the severity `warning`.
    package var warnings: [Violation] = []

    package var isValid: Bool { violations.isEmpty }

    package init() {}
}
