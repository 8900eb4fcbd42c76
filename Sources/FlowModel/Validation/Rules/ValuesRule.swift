import JSON

/// Rules for every value of an object, whatever its name: `"rules": […]`, whose paths begin at the value.
struct ValuesRule: StateRule {
    static let kind = "values"

    private let rules: InnerRules

    init(_ reader: inout RuleReader) { rules = InnerRules(&reader) }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value else { return }
        // A closure cannot capture the context, which is borrowed.
        let names = try StringTable(value.members, report.budget)
        for member in value.members where names.isLast(member.key) {
            try report.budget.spend(2)
            try rules.check(member.value, at: path.appending(member.name), context, &report)
        }
    }
}
