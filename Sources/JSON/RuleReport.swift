/// One broken rule of a state.
package struct Violation: Sendable, Equatable {
    /// Where in the state: a JSON Pointer (RFC 6901), empty for the whole.
    package var path: String
    /// The rule's stable name, e.g. `syntax`.
    package var rule: String
    /// What is wrong and what would be right.
    package var message: String

    package init(path: String, rule: String, message: String) {
        self.path = path
        self.rule = rule
        self.message = message
    }

    /// About how many bytes it takes in an answer.
    package var byteCount: Int { path.utf8.count + rule.utf8.count + message.utf8.count + 16 }
}

/// Collects violations: counts all of them, and lists as many as a person can read. A state of millions of wrong elements would otherwise
/// take many times its size.
package struct RuleReport {
    static let maximum = 1_000
    /// Bytes of the listed paths and messages: a member's name may be as long as the state.
    static let maximumBytes = 1 << 20

    private(set) var violations: [Violation] = []
    private var bytes = 0
    private var left = 0
    /// The rule that is being checked.
    package var rule = ""
    /// The budget of the call, for all work of the rules.
    package let budget: WorkBudget
    /// The strings of lists in which rules look for values, by the rules' own numbers.
    private var lists: [Int: StringTable] = [:]

    package init(_ budget: WorkBudget) { self.budget = budget }

    /// - Parameter message: what is wrong and what would be right.
    package mutating func add(_ path: @autoclosure () -> JSONPointer, _ message: @autoclosure () -> String) {
        guard violations.count < Self.maximum, bytes < Self.maximumBytes else {
            left += 1
            return
        }
        let violation = Violation(path: path().description, rule: rule, message: message())
        bytes += violation.path.utf8.count + violation.message.utf8.count
        violations.append(violation)
    }

    /// The violations; the last entry says how many are not listed.
    package var listed: [Violation] {
        guard left > 0 else { return violations }
        return violations + [Violation(path: "", rule: rule, message: "and \(left) more violations, which are not listed")]
    }

    /// The strings in an array of the state; read once for each rule that asks.
    package mutating func strings(
        of rule: Int, at pointer: JSONPointer, in root: JSONValue
    ) throws(WorkStopped) -> StringTable {
        if let known = lists[rule] { return known }
        let elements = try root.value(at: pointer, budget)?.elements
        let count = elements?.reduce(0) { count, _ in count + 1 } ?? 0
        let strings = try StringTable(elements?.document ?? root.document, room: count, budget)
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
