/// A document that says what is to be different (RFC 7396): its members replace those of the same names, null removes one, objects are
/// merged member by member.
public enum MergePatch {
    /// The state is `null` or `{}` when there is none yet. The result is no deeper than the deeper and no longer than both together.
    ///
    /// What the patch does not name is spelled as it was, what it brings as it is spelled there. Objects in which something was changed
    /// are written without white space. Of a name that the patch repeats the last member counts.
    public static func apply(_ patch: JSONDocument, to document: JSONDocument, budget: WorkBudget) throws(WorkStopped) -> [UInt8] {
        guard patch.root.kind == .object else { return patch.bytes }
        var tree = JSONTree(document.root)
        var target = JSONContainer()
        if document.root.kind == .object, let opened = tree.open() {
            try budget.spend(opened.cost)
            target = opened.container
        }
        let isChanged = try merge(patch.root, into: target, budget)
        if document.root.kind == .object, !isChanged { return document.bytes }
        try budget.spend(bytes: target.size)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(target.size)
        target.write(to: &bytes)
        return bytes
    }

    /// `MergePatch(Target, Patch)` of §2 for two objects. It calls itself as deep as the patch is nested.
    ///
    /// - Returns: whether something was changed.
    private static func merge(_ patch: JSONValue, into target: JSONContainer, _ budget: WorkBudget) throws(WorkStopped) -> Bool {
        var isChanged = false
        for (name, member) in try lastMembers(of: patch, budget) where try merge(member, named: name, into: target, budget) {
            isChanged = true
        }
        return isChanged
    }

    private static func merge(
        _ member: JSONValue.Member, named name: JSONName, into target: JSONContainer, _ budget: WorkBudget
    ) throws(WorkStopped) -> Bool {
        try budget.spend(8)
        let key = member.key.text
        switch member.value.kind {
        case .null:
            try budget.spend(target.removalCost)
            return target.remove(name) != nil
        case .object:
            guard target.members[name]?.kind == .object, let (inner, cost) = target.open(name) else {
                try budget.spend(12)
                // What is new has its nulls taken out too.
                let new = JSONContainer()
                _ = try merge(member.value, into: new, budget)
                target.set(name, key: key, JSONTree(new))
                return true
            }
            try budget.spend(cost)
            let size = inner.size
            guard try merge(member.value, into: inner, budget) else { return false }
            target.noteChange(growth: inner.size - size, height: inner.height)
            return true
        default:
            target.set(name, key: key, JSONTree(member.value))
            return true
        }
    }

    /// The last member of each name, where the first one stands.
    private static func lastMembers(
        of patch: JSONValue, _ budget: WorkBudget
    ) throws(WorkStopped) -> [(name: JSONName, member: JSONValue.Member)] {
        var places: [JSONName: Int] = [:]
        var members: [(name: JSONName, member: JSONValue.Member)] = []
        for member in patch.members {
            try budget.spend(3 + member.key.size / 16)
            let name = JSONName(spelled: member.key.text)
            if let place = places[name] {
                members[place].member = member
            } else {
                places[name] = members.count
                members.append((name, member))
            }
        }
        return members
    }
}
