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

/// Collects violations: counts all of them, and lists as many as a person can read. A state of millions of wrong elements would otherwise
/// take many times its size.
package struct RuleReport {
    static let maximum = 1_000
    /// Bytes of the listed paths and messages: a member's name may be as long as the state.
    static let maximumBytes = 1 << 20

    private(set) var violations: [StateError.Violation] = []
    private var bytes = 0
    private var left = 0
    /// The rule that is being checked.
    var rule = ""
    /// The budget of the call, for all work of the rules.
    let budget: WorkBudget
    /// The strings of lists in which rules look for values, by the rules' own numbers.
    private var lists: [Int: StringTable] = [:]

    init(_ budget: WorkBudget) { self.budget = budget }

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

    /// The violations; the last entry says how many are not listed.
    var listed: [StateError.Violation] {
        guard left > 0 else { return violations }
        return violations + [StateError.Violation(path: "", rule: rule, message: "and \(left) more violations, which are not listed")]
    }

    /// The strings in an array of the state; read once for each rule that asks.
    mutating func strings(
        of rule: Int, at pointer: JSONPointer, _ context: borrowing RuleContext
    ) throws(WorkStopped) -> StringTable {
        if let known = lists[rule] { return known }
        let elements = try context.root.value(at: pointer, budget)?.elements
        let count = elements?.reduce(0) { count, _ in count + 1 } ?? 0
        let strings = try StringTable(elements?.document ?? context.root.document, room: count, budget)
        if let elements {
            for element in elements {
                try budget.spend(5 + element.size / 16)
                if element.kind == .string { strings.insert(element) }
            }
        }
        lists[rule] = strings
        return strings
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
