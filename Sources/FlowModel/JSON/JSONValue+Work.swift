import CJSON

// Reading a document with a budget: an object is searched from its beginning for each name, so that looking into a large one again and
// again takes long.

extension JSONDocument {
    /// Parses a text; that takes about as long for each byte as going through it.
    public static func parse(
        _ bytes: [UInt8], maximumDepth: Int, _ budget: WorkBudget
    ) throws(WorkStopped) -> Result<JSONDocument, JSONText.Fault> {
        try budget.spend(bytes: bytes.count)
        let room = try takeNodes(of: bytes, budget)
        do throws(JSONText.Fault) {
            return .success(JSONDocument(bytes, nodes: try nodes(of: bytes[...], maximumDepth: maximumDepth, room: room)))
        } catch {
            return .failure(error)
        }
    }

    /// Takes the memory that a text needs to be parsed: as a whole, or every part of it once.
    ///
    /// - Returns: `nodeCount`.
    static func takeNodes(of bytes: [UInt8], _ budget: WorkBudget) throws(WorkStopped) -> Int {
        let count = nodeCount(bytes[...])
        try budget.take(bytes: count * MemoryLayout<cjson_node>.stride)
        return count
    }
}

extension Result {
    /// The value, if there is one.
    var value: Success? { try? get() }
}

extension JSONValue {
    /// The value of the last member of that name.
    func member(_ name: String, _ budget: WorkBudget) throws(WorkStopped) -> JSONValue? {
        var (found, cost): (JSONValue?, Int) = (nil, 0)
        for member in members {
            // A name with escapes is gone through as a whole, any other only as far as it agrees.
            cost += 4 + member.key.size / 16
            if cost >= 4_096 {
                try budget.spend(cost / 8)
                cost = 0
            }
            if member.hasName(name) { found = member.value }
        }
        try budget.spend(1 + cost / 8)
        return found
    }

    /// The element at a place from 0.
    func element(_ place: Int, _ budget: WorkBudget) throws(WorkStopped) -> JSONValue? {
        var left = place
        for element in elements {
            if left == 0 { return element }
            left -= 1
            if left % 16 == 0 { try budget.spend(4) }
        }
        return nil
    }

    /// The value at a place; nil where there is none.
    func value(at pointer: JSONPointer, _ budget: WorkBudget) throws(WorkStopped) -> JSONValue? {
        var value = self
        for token in pointer.tokens {
            let next: JSONValue? =
                switch value.kind {
                case .object: try value.member(token, budget)
                case .array: if let place = JSONPointer.place(token) { try value.element(place, budget) } else { nil }
                default: nil
                }
            guard let next else { return nil }
            value = next
        }
        return value
    }

    /// Elements of an array, or members of an object.
    func count(_ budget: WorkBudget) throws(WorkStopped) -> Int {
        var count = 0
        func add() throws(WorkStopped) {
            count += 1
            if count % 16 == 0 { try budget.spend(4) }
        }
        for _ in elements { try add() }
        for _ in members { try add() }
        return count
    }

    /// Goes through the members that count, as `lastMembers` has them. To find them all are looked at, repeated ones too.
    func forEachLastMember(_ budget: WorkBudget, _ body: (Member) throws(WorkStopped) -> Void) throws(WorkStopped) {
        let names = try StringTable(members, budget)
        for member in members {
            try budget.spend(2)
            if names.isLast(member.key) { try body(member) }
        }
    }
}
