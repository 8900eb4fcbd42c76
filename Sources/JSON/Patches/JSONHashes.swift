/// A hash of every value of a document, the same for values that are equal by RFC 6902 §4.6: it shows where two documents differ without
/// comparing each value once for every array or object around it.
struct JSONHashes {
    /// Half of the hasher's bits: a large text has millions of values.
    private let hashes: [UInt32]

    init(_ document: JSONDocument, _ budget: WorkBudget) throws(WorkStopped) {
        try budget.take(bytes: document.nodes.count * MemoryLayout<UInt32>.stride)
        var hashes = [UInt32](repeating: 0, count: document.nodes.count)
        // The contents of an array or object come behind it.
        for index in document.nodes.indices.reversed() {
            let value = JSONValue(document: document, index: index)
            try budget.spend(value.height == 0 ? 1 + value.size / 16 : 2)
            hashes[index] = UInt32(truncatingIfNeeded: Self.hash(value, hashes))
        }
        self.hashes = hashes
    }

    subscript(value: JSONValue) -> Int { Int(hashes[value.index]) }

    subscript(node node: UInt32) -> UInt32 { hashes[Int(node)] }

    private static func hash(_ value: JSONValue, _ hashes: [UInt32]) -> Int {
        var hasher = Hasher()
        hasher.combine(value.kind)
        switch value.kind {
        case .null: break
        case .boolean: hasher.combine(value.isTrue)
        case .number: JSONNumber.hash(value.text, into: &hasher)
        case .string: hasher.combine(JSONName(spelled: value.text))
        case .array:
            for element in value.elements { hasher.combine(hashes[element.index]) }
        case .object:
            // A sum does not depend on the order. `Hasher` is seeded at random, so equal sums cannot be constructed.
            var sum = 0
            for member in value.members {
                var pair = Hasher()
                pair.combine(hashes[member.key.index])
                pair.combine(hashes[member.value.index])
                sum &+= pair.finalize()
            }
            hasher.combine(sum)
        }
        return hasher.finalize()
    }
}
