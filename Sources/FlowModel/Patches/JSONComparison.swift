/// Equality as RFC 6902 §4.6 defines it: numbers by value, strings by code units, objects irrespective of the order of their members. An
/// object that repeats a name equals those only that repeat it with the same values, as parsers differ in which of them they take.
///
/// It does not copy, recurses as deep as the values are nested, and stops when its work is spent.
struct JSONComparison {
    private(set) var work: PatchWork

    init(_ work: PatchWork = PatchWork(.max)) { self.work = work }

    /// false also when the work is spent.
    mutating func areEqual(_ one: JSONValue, _ other: JSONValue) -> Bool {
        work.spend(1)
        guard one.kind == other.kind, !work.isExceeded else { return false }
        switch one.kind {
        case .null: return true
        case .boolean: return one.isTrue == other.isTrue
        case .number:
            work.spend(bytes: one.text.count + other.text.count)
            return JSONNumber.areEqual(one.text, other.text)
        case .string:
            work.spend(bytes: one.text.count + other.text.count)
            return JSONString.areEqual(one.text, other.text)
        case .array: return areElementsEqual(one.elements, other.elements)
        case .object: return areMembersEqual(one.members, other.members)
        }
    }

    private mutating func areElementsEqual(_ one: JSONValue.Elements, _ other: JSONValue.Elements) -> Bool {
        var others = other
        for element in one {
            guard let other = others.next(), areEqual(element, other) else { return false }
        }
        return others.next() == nil
    }

    /// In step as long as the names are the same; the rest by name.
    private mutating func areMembersEqual(_ one: JSONValue.Members, _ other: JSONValue.Members) -> Bool {
        var (ones, others) = (one, other)
        while true {
            let rests = (ones, others)
            let (member, other) = (ones.next(), others.next())
            guard let member, let other else { return member == nil && other == nil }
            work.spend(bytes: member.key.text.count)
            guard JSONString.areEqual(member.key.text, other.key.text) else { return areMembersEqualByName(rests.0, rests.1) }
            guard areEqual(member.value, other.value) else { return false }
        }
    }

    private mutating func areMembersEqualByName(_ one: JSONValue.Members, _ other: JSONValue.Members) -> Bool {
        var others: [JSONName: JSONValue] = [:]
        for member in other {
            work.spend(1)
            work.spend(bytes: member.key.text.count)
            guard others.updateValue(member.value, forKey: JSONName(spelled: member.key.text)) == nil else { return false }
        }
        for member in one {
            work.spend(bytes: member.key.text.count)
            guard let other = others.removeValue(forKey: JSONName(spelled: member.key.text)), areEqual(member.value, other) else {
                return false
            }
        }
        return others.isEmpty
    }

    /// The same for a tree that was changed.
    mutating func areEqual(_ one: JSONTree, _ other: JSONValue) -> Bool {
        if let origin = one.origin { return areEqual(origin, other) }
        guard let container = one.opened, container.kind == other.kind else { return false }
        if other.kind == .array {
            var others = other.elements
            for element in container.elements {
                guard let other = others.next(), areEqual(element, other) else { return false }
            }
            return others.next() == nil
        }
        return container.members.hasRepeats
            ? areMembersEqualInOrder(container.members, other.members) : areMembersEqualByName(container.members, other.members)
    }

    private mutating func areMembersEqualByName(_ one: JSONMembers, _ other: JSONValue.Members) -> Bool {
        var seen: Set<JSONName> = []
        for member in other {
            let name = JSONName(spelled: member.key.text)
            work.spend(bytes: name.bytes.count)
            guard seen.insert(name).inserted, let value = one[name], areEqual(value, member.value) else { return false }
        }
        return seen.count == one.count
    }

    private mutating func areMembersEqualInOrder(_ one: JSONMembers, _ other: JSONValue.Members) -> Bool {
        var others = other
        for member in one {
            work.spend(bytes: member.key.count)
            guard let other = others.next(), JSONString.areEqual(member.key, other.key.text), areEqual(member.value, other.value) else {
                return false
            }
        }
        return others.next() == nil
    }
}
