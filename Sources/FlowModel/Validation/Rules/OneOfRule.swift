import JSON

/// A string is one of a list: `"values": […]`, or `"values": "phases"` or `"statuses"` for those of the definition.
struct OneOfRule: StateRule {
    static let kind = "one_of"

    private let values: NameSet

    init(_ reader: inout RuleReader) { values = reader.nameSet("values") }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value, value.kind == .string else { return }
        if try !values.contains(value, report.budget) {
            report.add(path, "is \(value.shown); it must be one of \(values.shown)")
        }
    }
}
