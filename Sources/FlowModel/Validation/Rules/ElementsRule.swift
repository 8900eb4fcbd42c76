import JSON

/// Rules for every element of an array: `"rules": […]`, whose paths begin at the element.
struct ElementsRule: StateRule {
    static let kind = "elements"

    private let rules: InnerRules

    init(_ reader: inout RuleReader) { rules = InnerRules(&reader) }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value else { return }
        for (place, element) in value.elements.enumerated() {
            try rules.check(element, at: path.appending("\(place)"), context, &report)
        }
    }
}

/// Rules for each value in an array or object. The value itself (path "") may be null like any other; within it null counts as missing, as
/// in every rule.
struct InnerRules: Sendable {
    private let rules: [RuleEntry]

    init(_ reader: inout RuleReader) { rules = reader.rules("rules") }

    func check(
        _ inner: JSONValue, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        try report.budget.spend(2)
        let outer = report.rule
        for entry in rules {
            report.rule = entry.name
            try report.budget.spend(2)
            let value = entry.path.tokens.isEmpty ? inner : try inner.value(at: entry.path, report.budget)?.unlessNull
            // Only objects can lack members; the rule `type` demands an object.
            if value == nil, inner.kind != .object { continue }
            try entry.rule.check(value, at: JSONPointer(path.tokens + entry.path.tokens), context, &report)
        }
        report.rule = outer
    }
}
