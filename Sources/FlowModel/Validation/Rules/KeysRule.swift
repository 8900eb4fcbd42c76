import JSON

/// The names of an object's members are in a list, as with `one_of`.
struct KeysRule: StateRule {
    static let kind = "keys"

    private let values: NameSet

    init(_ reader: inout RuleReader) { values = reader.nameSet("values") }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value else { return }
        let budget = report.budget
        try value.forEachLastMember(budget) { (member) throws(WorkStopped) in
            if try values.contains(member.key, budget) { return }
            report.add(path.appending(member.name), "is not known; use one of \(values.shown)")
        }
    }
}
