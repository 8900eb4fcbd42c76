import JSON

/// A value is present and not null.
struct RequiredRule: StateRule {
    static let kind = "required"

    init(_ reader: inout RuleReader) {}

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        if value == nil { report.add(path, "is missing") }
    }
}
