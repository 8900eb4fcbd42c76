/// A string is not an element of the array at `"in"`.
struct NotListedRule: StateRule {
    static let kind = "not_listed"

    private let list: JSONPointer

    init(_ reader: inout RuleReader) { list = reader.pointer("in") ?? .root }

    func check(_ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport) {
        guard let value, value.kind == .string, let list = context.root[list] else { return }
        if list.elements.contains(where: { $0.kind == .string && JSONString.areEqual($0.text, value.text) }) {
            report.add(path, "is \(value.shown), which \(self.list) lists too")
        }
    }
}
