import JSON

/// The value's JSON type: `{"rule": "type", "path": …, "type": "string"}`, or an array of types. true and false are not numbers.
struct TypeRule: StateRule {
    static let kind = "type"

    private let kinds: [JSONValue.Kind]
    private let shown: String

    init(_ reader: inout RuleReader) {
        let names = reader.stringOrStrings("type")
        for name in names { reader.checkTypeName(name, "type") }
        kinds = JSONValue.Kind.allCases.filter { names.contains($0.name) }
        shown = names.prefix(8).joined(separator: " or ")
    }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value, !kinds.contains(value.kind) else { return }
        report.add(path, "is \(value.kind.article) \(value.kind.name), not \(shown)")
    }
}
