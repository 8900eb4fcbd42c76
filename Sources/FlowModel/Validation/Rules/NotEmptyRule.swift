/// There is something in a string, an array or an object; with `"type"` only in a value of that type, when another rule asks for it.
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
