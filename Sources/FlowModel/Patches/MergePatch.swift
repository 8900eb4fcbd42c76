/// A document that says what is to be different (RFC 7396): its members replace those of the same names, null removes one, objects are
/// merged member by member.
public enum MergePatch {
    /// The state is `null` or `{}` when there is none yet. The result is no deeper than the deeper and no longer than both together.
    ///
    /// What the patch does not name is spelled as it was, what it brings as it is spelled there. Objects in which something was changed
    /// are written without white space. Of a name that the patch repeats the last member counts.
    public static func apply(_ patch: JSONDocument, to document: JSONDocument) -> [UInt8] {
        guard patch.root.kind == .object else { return patch.bytes }
        var tree = JSONTree(document.root)
        let target = document.root.kind == .object ? tree.open()?.container ?? JSONContainer() : JSONContainer()
        let isChanged = merge(patch.root, into: target)
        if document.root.kind == .object, !isChanged { return document.bytes }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(target.size)
        target.write(to: &bytes)
        return bytes
    }

    /// `MergePatch(Target, Patch)` of §2 for two objects. It calls itself as deep as the patch is nested.
    ///
    /// - Returns: whether something was changed.
    private static func merge(_ patch: JSONValue, into target: JSONContainer) -> Bool {
        var isChanged = false
        for (name, member) in lastMembers(of: patch) where merge(member, named: name, into: target) { isChanged = true }
        return isChanged
    }

    private static func merge(_ member: JSONValue.Member, named name: JSONName, into target: JSONContainer) -> Bool {
        let key = member.key.text
        switch member.value.kind {
        case .null: return target.remove(name) != nil
        case .object:
            guard target.members[name]?.kind == .object, let inner = target.open(name)?.container else {
                // What is new has its nulls taken out too.
                let new = JSONContainer()
                _ = merge(member.value, into: new)
                target.set(name, key: key, JSONTree(new))
                return true
            }
            let size = inner.size
            guard merge(member.value, into: inner) else { return false }
            target.noteChange(growth: inner.size - size, height: inner.height)
            return true
        default:
            target.set(name, key: key, JSONTree(member.value))
            return true
        }
    }

    /// The last member of each name, where the first one stands.
    private static func lastMembers(of patch: JSONValue) -> [(name: JSONName, member: JSONValue.Member)] {
        var places: [JSONName: Int] = [:]
        var members: [(name: JSONName, member: JSONValue.Member)] = []
        for member in patch.members {
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
