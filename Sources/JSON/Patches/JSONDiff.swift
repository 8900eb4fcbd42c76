/// The difference between two documents.
package enum JSONDiff {
    /// The JSON Patch (RFC 6902) that leads from one document to another: objects member by member, arrays by their common elements.
    /// Applied to the first it gives a document that equals the second as §4.6 defines equality, so members may be in another order and
    /// numbers in another spelling. Where single changes would be much longer than the new value, the whole value is replaced; so is an
    /// object that repeats a name, since no path leads to the other members of that name.
    package static func patch(from old: JSONDocument, to new: JSONDocument, budget: WorkBudget) throws(WorkStopped) -> [UInt8] {
        var writer = try DiffWriter(old, new, budget)
        try writer.write(from: old.root, to: new.root)
        return writer.finish()
    }
}

/// Writes the operations in order. Recurses as deep as the documents are nested.
private struct DiffWriter {
    /// How much longer single changes may be than a replacement of the value around them.
    private static let allowance = 4 << 10
    /// Steps to find the common elements of two arrays: for each element, and in addition to those.
    private static let stepsOfElement = 8
    private static let stepsOfArray = 2_000_000
    /// The additional steps left for all arrays together, since a document may have many.
    private var stepsLeft = 16_000_000

    private let budget: WorkBudget
    private let oldDocument: JSONDocument
    private let newDocument: JSONDocument
    private let old: JSONHashes
    private let new: JSONHashes
    private var output: [UInt8] = [UInt8(ascii: "[")]
    /// The path to the values that are compared, as spelled in a JSON string.
    private var path: [UInt8] = []

    init(_ old: JSONDocument, _ new: JSONDocument, _ budget: WorkBudget) throws(WorkStopped) {
        self.budget = budget
        (oldDocument, newDocument) = (old, new)
        self.old = try JSONHashes(old, budget)
        self.new = try JSONHashes(new, budget)
        // A patch that would be longer than the new value becomes its replacement.
        try budget.take(bytes: new.bytes.count)
        output.reserveCapacity(new.bytes.count + Self.allowance)
    }

    mutating func finish() -> [UInt8] {
        output.append(UInt8(ascii: "]"))
        return output
    }

    mutating func write(from one: JSONValue, to other: JSONValue) throws(WorkStopped) {
        if try areEqual(one, other) { return }
        let start = output.count
        let limit = start + path.count + other.size + Self.allowance
        switch (one.kind, other.kind) {
        case (.object, .object):
            if try writeMembers(from: one, to: other, limit: limit) { return }
        case (.array, .array):
            if try writeElements(from: try nodes(one)[...], to: try nodes(other)[...], limit: limit) { return }
        default: break
        }
        output.removeSubrange(start...)
        try write("replace", other)
    }

    /// Different hashes prove that values differ; equal ones are compared, since a collision must not lose a change.
    private func areEqual(_ one: JSONValue, _ other: JSONValue) throws(WorkStopped) -> Bool {
        try budget.spend(1)
        guard old[one] == new[other] else { return false }
        return try JSONComparison(budget).areEqual(one, other)
    }

    // MARK: Objects

    /// - Returns: false when a name is repeated, or the output exceeds the limit.
    private mutating func writeMembers(from one: JSONValue, to other: JSONValue, limit: Int) throws(WorkStopped) -> Bool {
        let (oldNames, newNames) = (try StringTable(one.members, budget), try StringTable(other.members, budget))
        if oldNames.hasRepeats || newNames.hasRepeats { return false }
        for member in one.members {
            let name = JSONName(spelled: member.key.text)
            let new = newNames[name]
            try within(name) { (writer) throws(WorkStopped) in
                if let new { try writer.write(from: member.value, to: new) } else { try writer.write("remove", nil) }
            }
            if output.count > limit { return false }
        }
        for member in other.members {
            let name = JSONName(spelled: member.key.text)
            if oldNames.contains(name) { continue }
            try within(name) { (writer) throws(WorkStopped) in try writer.write("add", member.value) }
            if output.count > limit { return false }
        }
        return true
    }

    // MARK: Arrays

    /// The elements of an array, as indexes of nodes: a large one has millions.
    private func nodes(_ array: JSONValue) throws(WorkStopped) -> [UInt32] {
        let count = try array.count(budget)
        try budget.take(bytes: count * MemoryLayout<UInt32>.stride)
        var nodes: [UInt32] = []
        nodes.reserveCapacity(count)
        for element in array.elements { nodes.append(UInt32(truncatingIfNeeded: element.index)) }
        return nodes
    }

    private func oldValue(_ node: UInt32) -> JSONValue { JSONValue(document: oldDocument, index: Int(node)) }
    private func newValue(_ node: UInt32) -> JSONValue { JSONValue(document: newDocument, index: Int(node)) }

    private mutating func writeElements(
        from one: ArraySlice<UInt32>, to other: ArraySlice<UInt32>, limit: Int
    ) throws(WorkStopped) -> Bool {
        let shorter = min(one.count, other.count)
        var start = 0
        while start < shorter, try areEqual(oldValue(one[start]), newValue(other[start])) { start += 1 }
        var kept = 0
        while kept < shorter - start, try areEqual(oldValue(one[one.count - 1 - kept]), newValue(other[other.count - 1 - kept])) {
            kept += 1
        }
        let (oldEnd, newEnd) = (one.count - kept, other.count - kept)

        var (from, to) = (start, start)
        let end = CommonSubsequence.Run(one: oldEnd - start, other: newEnd - start, count: 0)
        for run in try commonElements(one[start..<oldEnd], other[start..<newEnd]) + [end] {
            let (oldPlace, newPlace) = (start + run.one, start + run.other)
            guard try writeRun(one[from..<oldPlace], other[to..<newPlace], limit: limit) else { return false }
            for place in 0..<run.count {  // equal, except for colliding hashes
                try within(newPlace + place) { (writer) throws(WorkStopped) in
                    try writer.write(from: writer.oldValue(one[oldPlace + place]), to: writer.newValue(other[newPlace + place]))
                }
            }
            (from, to) = (oldPlace + run.count, newPlace + run.count)
        }
        return true
    }

    /// By indexes in the slices.
    private mutating func commonElements(
        _ one: ArraySlice<UInt32>, _ other: ArraySlice<UInt32>
    ) throws(WorkStopped) -> [CommonSubsequence.Run] {
        guard !one.isEmpty, !other.isEmpty, one.count < Int32.max, one.count + other.count > 2 else { return [] }
        let memory = (one.count + other.count) * MemoryLayout<UInt32>.stride
        try budget.take(bytes: memory)
        defer { budget.giveBack(bytes: memory) }
        let allowed = min(Self.stepsOfArray, stepsLeft)
        var steps = allowed + Self.stepsOfElement * (one.count + other.count)
        let runs = try CommonSubsequence.runs(one.map { old[node: $0] }, other.map { new[node: $0] }, steps: &steps, budget)
        stepsLeft -= max(0, allowed - steps)
        return runs ?? []
    }

    /// Elements that have nothing in common: each is changed into the one at its index, then the rest is removed or added. Everything
    /// before them is already as in the new array, so indexes are those of the new one.
    private mutating func writeRun(
        _ one: ArraySlice<UInt32>, _ other: ArraySlice<UInt32>, limit: Int
    ) throws(WorkStopped) -> Bool {
        for (place, (old, new)) in zip(other.indices, zip(one, other)) {
            try within(place) { (writer) throws(WorkStopped) in
                try writer.write(from: writer.oldValue(old), to: writer.newValue(new))
            }
            if output.count > limit { return false }
        }
        for _ in one.dropFirst(other.count) {
            try within(other.endIndex) { (writer) throws(WorkStopped) in try writer.write("remove", nil) }
            if output.count > limit { return false }
        }
        for place in other.indices.dropFirst(one.count) {
            try within(place) { (writer) throws(WorkStopped) in try writer.write("add", writer.newValue(other[place])) }
            if output.count > limit { return false }
        }
        return true
    }

    // MARK: Text

    private mutating func within(
        _ name: JSONName, _ body: (inout DiffWriter) throws(WorkStopped) -> Void
    ) throws(WorkStopped) {
        try budget.spend(1)
        let length = path.count
        path.append(UInt8(ascii: "/"))
        name.escapedForPointer.append(to: &path)
        try body(&self)
        path.removeSubrange(length...)
    }

    private mutating func within(
        _ place: Int, _ body: (inout DiffWriter) throws(WorkStopped) -> Void
    ) throws(WorkStopped) {
        try within(JSONName(String(place)), body)
    }

    private mutating func write(_ operation: String, _ value: JSONValue?) throws(WorkStopped) {
        try budget.spend(3 + (path.count + (value?.size ?? 0)) / 16)
        if output.count > 1 { output.append(UInt8(ascii: ",")) }
        output += Array("{\"op\":\"\(operation)\",\"path\":\"".utf8)
        output += path
        output.append(UInt8(ascii: "\""))
        if let value {
            output += Array(",\"value\":".utf8)
            output += value.text
        }
        output.append(UInt8(ascii: "}"))
    }
}
