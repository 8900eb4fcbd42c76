/// What was found in a state.
public struct ValidationReport: Sendable, Equatable {
    /// Broken rules, in the order of the definition.
    public var violations: [StateError.Violation] = []
    /// What is allowed and should be otherwise.
    public var warnings: [StateError.Violation] = []

    public var isValid: Bool { violations.isEmpty }

    public init() {}
}
