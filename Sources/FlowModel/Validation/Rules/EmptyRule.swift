import JSON

/// Warns of an empty array.
struct EmptyRule: StateRule {
    static let kind = "empty"

    init(_ reader: inout RuleReader) {}

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        if let value, value.kind == .array, value.isEmpty { report.add(path, "is empty") }
    }
}
