/// Members of an object, or strings of an array, by their characters: of those that are the same the last one. A class, which gives back
/// the memory that it has taken of a budget.
final class StringTable {
    private let budget: WorkBudget
    private let memory: Int
    private let document: JSONDocument
    private var table: PlaceTable
    /// Different ones.
    private(set) var count = 0
    private(set) var hasRepeats = false

    /// Room for so many strings of one document.
    ///
    /// - Throws: when there is no memory for it.
    init(_ document: JSONDocument, room: Int, _ budget: WorkBudget) throws(WorkStopped) {
        let memory = PlaceTable.memory(room: room)
        try budget.take(bytes: memory)
        (self.budget, self.memory, self.document) = (budget, memory, document)
        table = PlaceTable(room: room)
    }

    deinit { budget.giveBack(bytes: memory) }

    /// The names of an object's members.
    convenience init(_ members: JSONValue.Members, _ budget: WorkBudget) throws(WorkStopped) {
        try self.init(members.document, room: members.reduce(0) { count, _ in count + 1 }, budget)
        for member in members {
            try budget.spend(4 + member.key.size / 16)
            insert(member.key)
        }
    }

    /// - Parameter string: of the document; there must be room for it.
    /// - Returns: whether it is the first of its kind.
    @discardableResult
    func insert(_ string: JSONValue) -> Bool {
        let (name, document) = (JSONName(spelled: string.text), document)
        let old = table.put(string.index, name.hashValue) { JSONName(spelled: document.text(of: $0)) == name }
        if old == nil { count += 1 } else { hasRepeats = true }
        return old == nil
    }

    func contains(_ name: JSONName) -> Bool { place(name) != nil }

    /// The value of the last member of that name.
    subscript(name: JSONName) -> JSONValue? { last(name)?.value }

    /// The last member of that name.
    func last(_ name: JSONName) -> JSONValue.Member? {
        place(name).map { place in
            JSONValue.Member(
                key: JSONValue(document: document, index: place), value: JSONValue(document: document, index: place + 1))
        }
    }

    /// Whether it is the last one with these characters.
    func isLast(_ string: JSONValue) -> Bool { !hasRepeats || place(JSONName(spelled: string.text)) == string.index }

    private func place(_ name: JSONName) -> Int? {
        table.place(name.hashValue) { JSONName(spelled: document.text(of: $0)) == name }
    }
}
