import JSON

/// A rule for one place in a state. One file a rule, in `Rules/`; each is pure, never crashes, whatever the state is, and ends when the
/// budget does.
package protocol StateRule: Sendable {
    /// The name in definitions.
    static var kind: String { get }

    /// Reads what the rule needs from its object in a definition.
    init(_ reader: inout RuleReader)

    /// - Parameters:
    ///   - value: the value at `path`; nil when it is missing or null, which mean the same.
    ///   - context: the whole state.
    ///   - report: its budget is spent before work that takes longer than a look at the value.
    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped)
}

/// What rules know of the state beside the value that they check.
package struct RuleContext: Sendable {
    let root: JSONValue
    let definition: FlowDefinition
    /// nil when the state has none, or it is not a string.
    let phase: String?
    let status: String?

    init(_ root: JSONValue, _ definition: FlowDefinition, _ budget: WorkBudget) throws(WorkStopped) {
        self.root = root
        self.definition = definition
        phase = try Self.text(root, definition.paths.phase, budget)
        status = try Self.text(root, definition.paths.status, budget)
    }

    private static func text(_ root: JSONValue, _ pointer: JSONPointer?, _ budget: WorkBudget) throws(WorkStopped) -> String? {
        guard let pointer else { return nil }
        return try root.value(at: pointer, budget)?.string
    }
}

/// Every kind of rule.
enum RuleKinds {
    static let all: [any StateRule.Type] = [
        RequiredRule.self, TypeRule.self, NotEmptyRule.self, OneOfRule.self, RangeRule.self, FormatRule.self, PatternRule.self,
        KeysRule.self,
        ElementsRule.self, ValuesRule.self, NotListedRule.self, NotEmptyInPhaseRule.self, ConsistentWithStatusRule.self,
        DeprecatedRule.self,
        EmptyRule.self, SizeRule.self,
    ]

    static func named(_ kind: String) -> (any StateRule.Type)? { all.first { $0.kind == kind } }
}
