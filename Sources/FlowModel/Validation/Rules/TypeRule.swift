/// The value's JSON type: `{"rule": "type", "path": …, "type": "string"}`, or an array of types. true and false are no numbers.
struct TypeRule: StateRule {
    static let kind = "type"

    private let types: [String]

    init(_ reader: inout RuleReader) {
        types = reader.stringOrStrings("type")
        for type in types { reader.checkTypeName(type, "type") }
    }

    func check(_ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport) {
        guard let value, !types.contains(value.kind.name) else { return }
        report.add(path, "is \(value.kind.article) \(value.kind.name), not \(types.joined(separator: " or "))")
    }
}

extension JSONValue.Kind {
    var article: String { self == .array || self == .object ? "an" : "a" }
}
