/// The difference between two documents.
public enum JSONDiff {
    /// The JSON Patch (RFC 6902) that leads from one document to another: objects member by member, arrays by what their elements have in
    /// common. Applied to the first it gives a document that equals the second as §4.6 defines equality, so members may be in another
    /// order and numbers in another spelling. Where single changes would be much longer than the new value, that is put there as a whole;
    /// so is an object that repeats a name, since no path leads to the other members of that name.
    public static func patch(from old: JSONDocument, to new: JSONDocument, budget: WorkBudget) throws(WorkStopped) -> [UInt8] {
        var writer = try DiffWriter(old, new, budget)
        try writer.write(from: old.root, to: new.root)
        return writer.finish()
    }
}

/// Writes the operations one after the other. It calls itself as deep as the documents are nested.
private struct DiffWriter {
    /// By how much single changes may be longer than replacing the value they are in.
    private static let allowance = 4 << 10
    /// To find what two arrays have in common: steps for each element, and beyond those.
    private static let stepsOfElement = 8
    private static let stepsOfArray = 2_000_000
    /// The latter in all arrays, since a document may have many.
    private var stepsLeft = 16_000_000

    private let budget: WorkBudget
    private let old: JSONHashes
    private let new: JSONHashes
    private var output: [UInt8] = [UInt8(ascii: "[")]
    /// To the values that are compared; as it is spelled in a JSON string.
    private var path: [UInt8] = []

    init(_ old: JSONDocument, _ new: JSONDocument, _ budget: WorkBudget) throws(WorkStopped) {
        self.budget = budget
        self.old = try JSONHashes(old, budget)
        self.new = try JSONHashes(new, budget)
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
            if try writeElements(from: Array(one.elements), to: Array(other.elements), limit: limit) { return }
        default: break
        }
        output.removeSubrange(start...)
        try write("replace", other)
    }

    /// Different hashes tell that values differ; equal ones are compared, since a collision must not lose a change.
    private func areEqual(_ one: JSONValue, _ other: JSONValue) throws(WorkStopped) -> Bool {
        try budget.spend(1)
        guard old[one] == new[other] else { return false }
        return try JSONComparison(budget).areEqual(one, other)
    }

    // MARK: Objects

    /// - Returns: false when it cannot be done, or not within the limit.
    private mutating func writeMembers(from one: JSONValue, to other: JSONValue, limit: Int) throws(WorkStopped) -> Bool {
        guard let oldMembers = try byName(one), let newMembers = try byName(other) else { return false }
        for member in one.members {
            let name = JSONName(spelled: member.key.text)
            let new = newMembers[name]
            try within(name) { (writer) throws(WorkStopped) in
                if let new { try writer.write(from: member.value, to: new) } else { try writer.write("remove", nil) }
            }
            if output.count > limit { return false }
        }
        for member in other.members {
            let name = JSONName(spelled: member.key.text)
            if oldMembers[name] != nil { continue }
            try within(name) { (writer) throws(WorkStopped) in try writer.write("add", member.value) }
            if output.count > limit { return false }
        }
        return true
    }

    /// nil when a name is repeated.
    private func byName(_ object: JSONValue) throws(WorkStopped) -> [JSONName: JSONValue]? {
        var members: [JSONName: JSONValue] = [:]
        for member in object.members {
            try budget.spend(4 + member.key.size / 16)
            guard members.updateValue(member.value, forKey: JSONName(spelled: member.key.text)) == nil else { return nil }
        }
        return members
    }

    // MARK: Arrays

    private mutating func writeElements(from one: [JSONValue], to other: [JSONValue], limit: Int) throws(WorkStopped) -> Bool {
        let shorter = min(one.count, other.count)
        var start = 0
        while start < shorter, try areEqual(one[start], other[start]) { start += 1 }
        var kept = 0
        while kept < shorter - start, try areEqual(one[one.count - 1 - kept], other[other.count - 1 - kept]) { kept += 1 }
        let (oldEnd, newEnd) = (one.count - kept, other.count - kept)

        var (from, to) = (start, start)
        for (oldPlace, newPlace) in try commonElements(one[start..<oldEnd], other[start..<newEnd]) + [(oldEnd, newEnd)] {
            guard try writeRun(one[from..<oldPlace], other[to..<newPlace], limit: limit) else { return false }
            if oldPlace < oldEnd {  // equal, but for two hashes that are the same by chance
                try within(newPlace) { (writer) throws(WorkStopped) in try writer.write(from: one[oldPlace], to: other[newPlace]) }
            }
            (from, to) = (oldPlace + 1, newPlace + 1)
        }
        return true
    }

    private mutating func commonElements(
        _ one: ArraySlice<JSONValue>, _ other: ArraySlice<JSONValue>
    ) throws(WorkStopped) -> [(Int, Int)] {
        guard !one.isEmpty, !other.isEmpty, one.count < Int32.max, one.count + other.count > 2 else { return [] }
        let allowed = min(Self.stepsOfArray, stepsLeft)
        var steps = allowed + Self.stepsOfElement * (one.count + other.count)
        let pairs = try CommonSubsequence.pairs(one.map { old[$0] }, other.map { new[$0] }, steps: &steps, budget)
        stepsLeft -= max(0, allowed - steps)
        return (pairs ?? []).map { (one.startIndex + $0, other.startIndex + $1) }
    }

    /// Elements that have nothing in common: each becomes the one in its place, then the rest is removed or added. What stands before them
    /// is as in the new array already, so places are those in the new one.
    private mutating func writeRun(
        _ one: ArraySlice<JSONValue>, _ other: ArraySlice<JSONValue>, limit: Int
    ) throws(WorkStopped) -> Bool {
        for (place, (old, new)) in zip(other.indices, zip(one, other)) {
            try within(place) { (writer) throws(WorkStopped) in try writer.write(from: old, to: new) }
            if output.count > limit { return false }
        }
        for _ in one.dropFirst(other.count) {
            try within(other.endIndex) { (writer) throws(WorkStopped) in try writer.write("remove", nil) }
            if output.count > limit { return false }
        }
        for place in other.indices.dropFirst(one.count) {
            try within(place) { (writer) throws(WorkStopped) in try writer.write("add", other[place]) }
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
