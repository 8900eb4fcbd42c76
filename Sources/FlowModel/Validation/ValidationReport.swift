/// The result of validating a state.
package struct ValidationReport: Sendable, Equatable {
    /// Broken rules, in the order of the definition.
    package var violations: [StateError.Violation] = []
    /// Breaches of rules with the severity `warning`.
    package var warnings: [StateError.Violation] = []

    package var isValid: Bool { violations.isEmpty }

    package init() {}
}
