/// Names that a definition lists, found by their bytes however many there are. A class: rules share those of phases and of statuses.
final class NameSet: Sendable {
    /// In the order of the definition.
    let names: [String]
    private let bytes: Set<JSONName>
    /// For messages.
    let shown: String

    private static let maximumShown = 50
    private static let maximumBytes = 255

    init(_ names: [String]) {
        self.names = names
        bytes = Set(names.map { JSONName($0) })
        let more = names.count > Self.maximumShown ? ", … (\(names.count) in all)" : ""
        shown = names.prefix(Self.maximumShown).map { $0.prefixed(Self.maximumBytes) }.joined(separator: ", ") + more
    }

    func contains(_ name: String) -> Bool { bytes.contains(JSONName(name)) }

    /// - Parameter value: a string.
    func contains(_ value: JSONValue, _ budget: WorkBudget) throws(WorkStopped) -> Bool {
        try budget.spend(1 + value.size / 16)
        return bytes.contains(JSONName(spelled: value.text))
    }
}
