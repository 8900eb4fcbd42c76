import CJSON

// Look-ups with a budget: finding a member searches its object from the beginning, so repeated look-ups in a large object are expensive.

extension JSONDocument {
    /// Parses a text. That costs about as much for each byte as scanning it.
    package static func parse(
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

    /// Takes the memory for parsing a text.
    ///
    /// - Returns: `nodeCount`.
    static func takeNodes(of bytes: [UInt8], _ budget: WorkBudget) throws(WorkStopped) -> Int {
        let count = nodeCount(bytes[...])
        try budget.take(bytes: count * MemoryLayout<cjson_node>.stride)
        return count
    }
}

extension Result {
    package var value: Success? { try? get() }
}

extension JSONValue {
    /// The value of the last member with that name.
    package func member(_ name: String, _ budget: WorkBudget) throws(WorkStopped) -> JSONValue? {
        var (found, cost): (JSONValue?, Int) = (nil, 0)
        for member in members {
            // A name with escapes is compared as a whole, any other only up to the first difference.
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

    /// The element at an index from 0.
    func element(_ place: Int, _ budget: WorkBudget) throws(WorkStopped) -> JSONValue? {
        var left = place
        for element in elements {
            if left == 0 { return element }
            left -= 1
            if left % 16 == 0 { try budget.spend(4) }
        }
        return nil
    }

    /// The value at a pointer; nil where there is none.
    package func value(at pointer: JSONPointer, _ budget: WorkBudget) throws(WorkStopped) -> JSONValue? {
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

    /// The number of elements of an array, or of members of an object.
    package func count(_ budget: WorkBudget) throws(WorkStopped) -> Int {
        var count = 0
        func add() throws(WorkStopped) {
            count += 1
            if count % 16 == 0 { try budget.spend(4) }
        }
        for _ in elements { try add() }
        for _ in members { try add() }
        return count
    }

    /// Visits the effective members, as in `lastMembers`. Finding them reads all members, repeated ones too.
    package func forEachLastMember(_ budget: WorkBudget, _ body: (Member) throws(WorkStopped) -> Void) throws(WorkStopped) {
        let names = try StringTable(members, budget)
        for member in members {
            try budget.spend(2)
            if names.isLast(member.key) { try body(member) }
        }
    }
}
