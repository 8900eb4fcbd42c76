extension JSONValue {
    /// Whether this object has every member of another one, with an equal value.
    package func hasMembers(of other: JSONValue, _ budget: WorkBudget) throws(WorkStopped) -> Bool {
        guard kind == .object, other.kind == .object else { return false }
        let comparison = JSONComparison(budget)
        for member in other.members {
            guard let value = try self.member(JSONString.decode(member.key.text), budget),
                try comparison.areEqual(value, member.value)
            else { return false }
        }
        return true
    }
}
