import JSON

/// A string is not an element of the array at `"in"`.
struct NotListedRule: StateRule {
    static let kind = "not_listed"

    private let list: JSONPointer
    private let number: Int

    init(_ reader: inout RuleReader) {
        list = reader.pointer("in") ?? .root
        number = reader.nextNumber()
    }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value, value.kind == .string else { return }
        try report.budget.spend(3 + value.size / 16)
        if try report.strings(of: number, at: list, in: context.root).contains(JSONName(spelled: value.text)) {
            report.add(path, "is \(value.shown), which \(self.list) lists too")
        }
    }
}
