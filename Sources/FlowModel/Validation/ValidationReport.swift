import JSON

/// The result of validating a state.
package struct ValidationReport: Sendable, Equatable {
    /// Broken rules, in the order of the definition.
    package var violations: [Violation] = []
    /// Breaches of rules with the severity `warning`.
    package var warnings: [Violation] = []

    package var isValid: Bool { violations.isEmpty }

    package init() {}
}
