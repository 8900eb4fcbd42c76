import JSON

/// A string, array or object is not empty; with `"type"` only values of that type are checked, since another rule demands the type.
struct NotEmptyRule: StateRule {
    static let kind = "not_empty"

    private let type: String?

    init(_ reader: inout RuleReader) { type = reader.typeName("type") }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value, value.isEmpty, type == nil || type == value.kind.name else { return }
        report.add(path, "is empty")
    }
}
