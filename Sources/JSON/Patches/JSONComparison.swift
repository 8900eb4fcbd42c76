/// Equality as RFC 6902 §4.6 defines it: numbers by value, strings by code units, objects irrespective of the order of their members. An
/// object that repeats a name equals only objects that repeat it with the same values, since parsers differ in which value they take.
///
/// Copies nothing, and recurses as deep as the values are nested.
struct JSONComparison {
    let budget: WorkBudget

    init(_ budget: WorkBudget) { self.budget = budget }

    func areEqual(_ one: JSONValue, _ other: JSONValue) throws(WorkStopped) -> Bool {
        try budget.spend(1)
        guard one.kind == other.kind else { return false }
        switch one.kind {
        case .null: return true
        case .boolean: return one.isTrue == other.isTrue
        case .number:
            try budget.spend(bytes: one.text.count + other.text.count)
            return JSONNumber.areEqual(one.text, other.text)
        case .string:
            try budget.spend(bytes: one.text.count + other.text.count)
            return JSONString.areEqual(one.text, other.text)
        case .array: return try areElementsEqual(one.elements, other.elements)
        case .object: return try areMembersEqual(one.members, other.members)
        }
    }

    private func areElementsEqual(_ one: JSONValue.Elements, _ other: JSONValue.Elements) throws(WorkStopped) -> Bool {
        var others = other
        for element in one {
            guard let other = others.next(), try areEqual(element, other) else { return false }
        }
        return others.next() == nil
    }

    /// Compares in order as long as the names agree; the rest by name.
    private func areMembersEqual(_ one: JSONValue.Members, _ other: JSONValue.Members) throws(WorkStopped) -> Bool {
        var (ones, others) = (one, other)
        while true {
            let rests = (ones, others)
            let (member, other) = (ones.next(), others.next())
            guard let member, let other else { return member == nil && other == nil }
            try budget.spend(bytes: member.key.text.count)
            guard JSONString.areEqual(member.key.text, other.key.text) else { return try areMembersEqualByName(rests.0, rests.1) }
            guard try areEqual(member.value, other.value) else { return false }
        }
    }

    private func areMembersEqualByName(_ one: JSONValue.Members, _ other: JSONValue.Members) throws(WorkStopped) -> Bool {
        let names = try StringTable(one, budget)
        return try names.hasRepeats ? false : areMembersEqual(names.count, other) { names[$0].map { JSONTree($0) } }
    }

    /// The same for a tree that was changed.
    func areEqual(_ one: JSONTree, _ other: JSONValue) throws(WorkStopped) -> Bool {
        if let origin = one.origin { return try areEqual(origin, other) }
        guard let container = one.opened, container.kind == other.kind else { return false }
        if other.kind == .array {
            var others = other.elements
            for element in container.elements {
                guard let other = others.next(), try areEqual(element, other) else { return false }
            }
            return others.next() == nil
        }
        return container.members.hasRepeats
            ? try areMembersEqualInOrder(container.members, other.members) : try areMembersEqualByName(container.members, other.members)
    }

    private func areMembersEqualByName(_ one: JSONMembers, _ other: JSONValue.Members) throws(WorkStopped) -> Bool {
        try areMembersEqual(one.count, other) { one[$0] }
    }

    /// - Parameters:
    ///   - count: the number of members of the one object, all of different names.
    ///   - member: looks one up.
    private func areMembersEqual(
        _ count: Int, _ other: JSONValue.Members, _ member: (JSONName) -> JSONTree?
    ) throws(WorkStopped) -> Bool {
        let names = try StringTable(other, budget)
        guard !names.hasRepeats, names.count == count else { return false }
        for other in other {
            try budget.spend(bytes: other.key.text.count)
            guard let value = member(JSONName(spelled: other.key.text)), try areEqual(value, other.value) else { return false }
        }
        return true
    }

    private func areMembersEqualInOrder(_ one: JSONMembers, _ other: JSONValue.Members) throws(WorkStopped) -> Bool {
        var others = other
        for member in one {
            try budget.spend(bytes: member.key.size)
            guard let other = others.next(), JSONString.areEqual(member.key.text, other.key.text), try areEqual(member.value, other.value)
            else {
                return false
            }
        }
        return others.next() == nil
    }
}
