/// The names of an object's members are of a list, as with `one_of`.
struct KeysRule: StateRule {
    static let kind = "keys"

    private let values: NameList

    init(_ reader: inout RuleReader) { values = reader.nameList("values") }

    func check(_ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport) {
        guard let value else { return }
        for member in value.lastMembers where !values.contains(member.key, context.definition) {
            report.add(
                path.appending(member.name),
                "is not known; use one of \(values.names(context.definition).joined(separator: ", "))")
        }
    }
}
