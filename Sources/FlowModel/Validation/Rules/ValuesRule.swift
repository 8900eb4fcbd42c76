/// Rules of every value of an object, whatever its name: `"rules": […]`, whose paths begin at the value.
struct ValuesRule: StateRule {
    static let kind = "values"

    private let rules: InnerRules

    init(_ reader: inout RuleReader) { rules = InnerRules(&reader) }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value else { return }
        for member in try value.lastMembers(report.budget) {
            try rules.check(member.value, at: path.appending(member.name), context, &report)
        }
    }
}
