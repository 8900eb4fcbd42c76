/// An index of an object's members, or of an array's strings, by their characters: the last one of equals. A class, which gives its memory
/// back to the budget.
package final class StringTable {
    private let budget: WorkBudget
    private let memory: Int
    private let document: JSONDocument
    private var table: PlaceTable
    /// The number of different strings.
    private(set) var count = 0
    private(set) var hasRepeats = false

    /// A table for so many strings of one document.
    ///
    /// - Throws: when the budget has no memory for it.
    init(_ document: JSONDocument, room: Int, _ budget: WorkBudget) throws(WorkStopped) {
        let memory = PlaceTable.memory(room: room)
        try budget.take(bytes: memory)
        (self.budget, self.memory, self.document) = (budget, memory, document)
        table = PlaceTable(room: room)
    }

    deinit { budget.giveBack(bytes: memory) }

    /// The names of an object's members.
    package convenience init(_ members: JSONValue.Members, _ budget: WorkBudget) throws(WorkStopped) {
        try self.init(members.document, room: members.reduce(0) { count, _ in count + 1 }, budget)
        for member in members {
            try budget.spend(4 + member.key.size / 16)
            insert(member.key)
        }
    }

    /// - Parameter string: of the document; there must be room for it.
    /// - Returns: whether no equal string was inserted before.
    @discardableResult
    func insert(_ string: JSONValue) -> Bool {
        let (name, document) = (JSONName(spelled: string.text), document)
        let old = table.put(string.index, name.hashValue) { JSONName(spelled: document.text(of: $0)) == name }
        if old == nil { count += 1 } else { hasRepeats = true }
        return old == nil
    }

    package func contains(_ name: JSONName) -> Bool { place(name) != nil }

    /// The value of the last member with that name.
    subscript(name: JSONName) -> JSONValue? { last(name)?.value }

    /// The last member with that name.
    func last(_ name: JSONName) -> JSONValue.Member? {
        place(name).map { place in
            JSONValue.Member(
                key: JSONValue(document: document, index: place), value: JSONValue(document: document, index: place + 1))
        }
    }

    /// Whether it is the last of its equals.
    package func isLast(_ string: JSONValue) -> Bool { !hasRepeats || place(JSONName(spelled: string.text)) == string.index }

    private func place(_ name: JSONName) -> Int? {
        table.place(name.hashValue) { JSONName(spelled: document.text(of: $0)) == name }
    }
}
