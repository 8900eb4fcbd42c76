/// What one rule asks of one place in a state. One file a rule, in `Rules/`; each is pure, stops at nothing and never crashes, whatever
/// the state is.
public protocol StateRule: Sendable {
    /// As definitions name it.
    static var kind: String { get }

    /// Reads what the rule needs from its object in a definition.
    init(_ reader: inout RuleReader)

    /// - Parameters:
    ///   - value: what stands at `path`; nil when there is nothing, or null: a member that is null says as much as one that is missing.
    ///   - context: the whole state.
    func check(_ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport)
}

/// What rules know of the state besides the value they look at.
public struct RuleContext: Sendable {
    let root: JSONValue
    let definition: FlowDefinition
    /// nil when the state has none, or it is no string.
    let phase: String?
    let status: String?

    init(_ root: JSONValue, _ definition: FlowDefinition) {
        self.root = root
        self.definition = definition
        phase = definition.paths.phase.flatMap { root[$0]?.string }
        status = definition.paths.status.flatMap { root[$0]?.string }
    }
}

/// Takes what rules find: all of it, but lists no more than anybody can read. A state of millions of wrong elements would otherwise take many
/// times its size.
public struct RuleReport {
    static let maximum = 1_000
    /// Of their paths and messages: a member's name may be as long as the state.
    static let maximumBytes = 1 << 20

    private(set) var violations: [StateError.Violation] = []
    private var bytes = 0
    private var left = 0
    /// The rule that is being checked.
    var rule = ""
    /// Steps that patterns may still take.
    private var patternWork: Int

    init(_ limits: Limits) { patternWork = limits.patternWork }

    /// - Parameter message: what is wrong and what would be right.
    mutating func add(_ path: @autoclosure () -> JSONPointer, _ message: @autoclosure () -> String) {
        guard violations.count < Self.maximum, bytes < Self.maximumBytes else {
            left += 1
            return
        }
        let violation = StateError.Violation(path: path().description, rule: rule, message: message())
        bytes += violation.path.utf8.count + violation.message.utf8.count
        violations.append(violation)
    }

    /// The violations; at the end, how many more there are.
    var listed: [StateError.Violation] {
        guard left > 0 else { return violations }
        return violations + [StateError.Violation(path: "", rule: rule, message: "and \(left) more violations, which are not listed")]
    }

    /// Whether a pattern may take so many steps: see `TextPattern.steps`.
    mutating func spend(_ steps: Int) -> Bool {
        guard steps <= patternWork else { return false }
        patternWork -= steps
        return true
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
