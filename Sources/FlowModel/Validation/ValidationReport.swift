/// The result of validating a state.
public struct ValidationReport: Sendable, Equatable {
    /// Broken rules, in the order of the definition.
    public var violations: [StateError.Violation] = []
    /// Breaches of rules with the severity `warning`.
    public var warnings: [StateError.Violation] = []

    public var isValid: Bool { violations.isEmpty }

    public init() {}
}
