/// A JSON Merge Patch (RFC 7396): its members replace those of the same names, null removes one, objects are merged member by member.
package enum MergePatch {
    /// A flow without a state has `null` or `{}`. The result is no deeper than the deeper and no longer than both together.
    ///
    /// What the patch does not name keeps its spelling, and what it adds keeps the patch's. Objects in which something was changed are
    /// written without white space. The last member of a repeated name in the patch counts.
    package static func apply(_ patch: JSONDocument, to document: JSONDocument, budget: WorkBudget) throws(WorkStopped) -> [UInt8] {
        guard patch.root.kind == .object else { return patch.bytes }
        var tree = JSONTree(document.root)
        var target = JSONContainer()
        if document.root.kind == .object, let opened = try tree.open(budget) { target = opened }
        let isChanged = try merge(patch.root, into: target, budget)
        if document.root.kind == .object, !isChanged { return document.bytes }
        try budget.spend(bytes: target.size)
        try budget.take(bytes: target.size)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(target.size)
        target.write(to: &bytes)
        return bytes
    }

    /// `MergePatch(Target, Patch)` of §2 for two objects. Recurses as deep as the patch is nested.
    ///
    /// - Returns: whether something was changed.
    private static func merge(_ patch: JSONValue, into target: JSONContainer, _ budget: WorkBudget) throws(WorkStopped) -> Bool {
        var isChanged = false
        let names = try StringTable(patch.members, budget)
        try target.reserve(names.count, budget)
        // The last member of a repeated name is merged in the place of the first.
        let merged = names.hasRepeats ? try StringTable(patch.document, room: names.count, budget) : nil
        for member in patch.members {
            guard merged?.insert(member.key) ?? true else { continue }
            let name = JSONName(spelled: member.key.text)
            let last = names.hasRepeats ? names.last(name) ?? member : member
            if try merge(last, named: name, into: target, budget) { isChanged = true }
        }
        return isChanged
    }

    private static func merge(
        _ member: JSONValue.Member, named name: JSONName, into target: JSONContainer, _ budget: WorkBudget
    ) throws(WorkStopped) -> Bool {
        try budget.spend(8)
        let key = member.key
        switch member.value.kind {
        case .null:
            try budget.spend(target.removalCost)
            return target.remove(name) != nil
        case .object:
            guard target.members[name]?.kind == .object, let inner = try target.open(name, budget) else {
                try budget.spend(12)
                // A new object loses its nulls too.
                let new = JSONContainer()
                _ = try merge(member.value, into: new, budget)
                target.set(name, key: key, JSONTree(new))
                return true
            }
            let size = inner.size
            guard try merge(member.value, into: inner, budget) else { return false }
            target.noteChange(growth: inner.size - size, height: inner.height)
            return true
        default:
            target.set(name, key: key, JSONTree(member.value))
            return true
        }
    }
}
