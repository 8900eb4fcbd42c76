import JSON

/// Names that a definition lists, looked up by their bytes. Flat, since a definition may list a hundred thousand. A class, since rules
/// share the sets of phases and statuses.
final class NameSet: Sendable {
    /// The bytes of all names, one behind the other in the order of the definition, and where each name ends.
    private let bytes: [UInt8]
    private let ends: [UInt32]
    private let table: PlaceTable
    /// For messages.
    let shown: String

    private static let maximumShown = 50
    private static let maximumBytes = 255

    init(_ names: [String]) {
        var (bytes, ends, table): ([UInt8], [UInt32], _) = ([], [], PlaceTable(room: names.count))
        bytes.reserveCapacity(names.reduce(0) { $0 + $1.utf8.count })
        ends.reserveCapacity(names.count)
        for name in names {
            bytes += name.utf8
            ends.append(UInt32(clamping: bytes.count))
        }
        for place in ends.indices {
            let name = Self.name(place, bytes, ends)
            _ = table.put(place, name.hashValue) { Self.name($0, bytes, ends) == name }
        }
        (self.bytes, self.ends, self.table) = (bytes, ends, table)
        let more = names.count > Self.maximumShown ? ", … (\(names.count) in all)" : ""
        shown = names.prefix(Self.maximumShown).map { $0.prefixed(Self.maximumBytes) }.joined(separator: ", ") + more
    }

    var isEmpty: Bool { ends.isEmpty }

    /// Memory in bytes.
    var memory: Int { 128 + bytes.count + 4 * ends.count + PlaceTable.memory(room: ends.count) + shown.utf8.count }

    func prefix(_ count: Int) -> [String] { ends.indices.prefix(count).map { Self.name($0, bytes, ends).characters } }

    func contains(_ name: String) -> Bool { contains(JSONName(name)) }

    /// - Parameter value: a string.
    func contains(_ value: JSONValue, _ budget: WorkBudget) throws(WorkStopped) -> Bool {
        try budget.spend(1 + value.size / 16)
        return contains(JSONName(spelled: value.text))
    }

    private func contains(_ name: JSONName) -> Bool {
        table.place(name.hashValue) { Self.name($0, bytes, ends) == name } != nil
    }

    private static func name(_ place: Int, _ bytes: [UInt8], _ ends: [UInt32]) -> JSONName {
        JSONName(bytes: bytes[(place == 0 ? 0 : Int(ends[place - 1]))..<Int(ends[place])])
    }
}
