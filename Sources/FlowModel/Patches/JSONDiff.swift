/// The difference between two documents.
public enum JSONDiff {
    /// The JSON Patch (RFC 6902) that leads from one document to another: objects member by member, arrays by what their elements have in
    /// common. Applied to the first it gives a document that equals the second as §4.6 defines equality, so members may be in another
    /// order and numbers in another spelling. Where single changes would be much longer than the new value, that is put there as a whole;
    /// so is an object that repeats a name, since no path leads to the other members of that name.
    public static func patch(from old: JSONDocument, to new: JSONDocument) -> [UInt8] {
        var writer = DiffWriter(old, new)
        writer.write(from: old.root, to: new.root)
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

    private let old: JSONHashes
    private let new: JSONHashes
    private var output: [UInt8] = [UInt8(ascii: "[")]
    /// To the values that are compared; as it is spelled in a JSON string.
    private var path: [UInt8] = []

    init(_ old: JSONDocument, _ new: JSONDocument) {
        self.old = JSONHashes(old)
        self.new = JSONHashes(new)
    }

    mutating func finish() -> [UInt8] {
        output.append(UInt8(ascii: "]"))
        return output
    }

    mutating func write(from one: JSONValue, to other: JSONValue) {
        if areEqual(one, other) { return }
        let start = output.count
        let limit = start + path.count + other.size + Self.allowance
        switch (one.kind, other.kind) {
        case (.object, .object):
            if writeMembers(from: one, to: other, limit: limit) { return }
        case (.array, .array):
            if writeElements(from: Array(one.elements), to: Array(other.elements), limit: limit) { return }
        default: break
        }
        output.removeSubrange(start...)
        write("replace", other)
    }

    /// Hashes tell nearly always; that nothing is lost must not depend on them.
    private func areEqual(_ one: JSONValue, _ other: JSONValue) -> Bool {
        guard old[one] == new[other] else { return false }
        var comparison = JSONComparison()
        return comparison.areEqual(one, other)
    }

    // MARK: Objects

    /// - Returns: false when it cannot be done, or not within the limit.
    private mutating func writeMembers(from one: JSONValue, to other: JSONValue, limit: Int) -> Bool {
        guard let oldMembers = Self.byName(one), let newMembers = Self.byName(other) else { return false }
        for member in one.members {
            let name = JSONName(spelled: member.key.text)
            let new = newMembers[name]
            within(name) { writer in
                if let new { writer.write(from: member.value, to: new) } else { writer.write("remove", nil) }
            }
            if output.count > limit { return false }
        }
        for member in other.members {
            let name = JSONName(spelled: member.key.text)
            if oldMembers[name] != nil { continue }
            within(name) { $0.write("add", member.value) }
            if output.count > limit { return false }
        }
        return true
    }

    /// nil when a name is repeated.
    private static func byName(_ object: JSONValue) -> [JSONName: JSONValue]? {
        var members: [JSONName: JSONValue] = [:]
        for member in object.members {
            guard members.updateValue(member.value, forKey: JSONName(spelled: member.key.text)) == nil else { return nil }
        }
        return members
    }

    // MARK: Arrays

    private mutating func writeElements(from one: [JSONValue], to other: [JSONValue], limit: Int) -> Bool {
        let shorter = min(one.count, other.count)
        var start = 0
        while start < shorter, areEqual(one[start], other[start]) { start += 1 }
        var kept = 0
        while kept < shorter - start, areEqual(one[one.count - 1 - kept], other[other.count - 1 - kept]) { kept += 1 }
        let (oldEnd, newEnd) = (one.count - kept, other.count - kept)

        var (from, to) = (start, start)
        for (oldPlace, newPlace) in commonElements(one[start..<oldEnd], other[start..<newEnd]) + [(oldEnd, newEnd)] {
            guard writeRun(one[from..<oldPlace], other[to..<newPlace], limit: limit) else { return false }
            if oldPlace < oldEnd {  // equal, but for two hashes that are the same by chance
                within(newPlace) { $0.write(from: one[oldPlace], to: other[newPlace]) }
            }
            (from, to) = (oldPlace + 1, newPlace + 1)
        }
        return true
    }

    private mutating func commonElements(_ one: ArraySlice<JSONValue>, _ other: ArraySlice<JSONValue>) -> [(Int, Int)] {
        guard !one.isEmpty, !other.isEmpty, one.count < Int32.max, one.count + other.count > 2 else { return [] }
        let allowed = min(Self.stepsOfArray, stepsLeft)
        var steps = allowed + Self.stepsOfElement * (one.count + other.count)
        let pairs = CommonSubsequence.pairs(one.map { old[$0] }, other.map { new[$0] }, steps: &steps)
        stepsLeft -= max(0, allowed - steps)
        return (pairs ?? []).map { (one.startIndex + $0, other.startIndex + $1) }
    }

    /// Elements that have nothing in common: each becomes the one in its place, then the rest is removed or added. What stands before them
    /// is as in the new array already, so places are those in the new one.
    private mutating func writeRun(_ one: ArraySlice<JSONValue>, _ other: ArraySlice<JSONValue>, limit: Int) -> Bool {
        for (place, (old, new)) in zip(other.indices, zip(one, other)) {
            within(place) { $0.write(from: old, to: new) }
            if output.count > limit { return false }
        }
        for _ in one.dropFirst(other.count) {
            within(other.endIndex) { $0.write("remove", nil) }
            if output.count > limit { return false }
        }
        for place in other.indices.dropFirst(one.count) {
            within(place) { $0.write("add", other[place]) }
            if output.count > limit { return false }
        }
        return true
    }

    // MARK: Text

    private mutating func within(_ name: JSONName, _ body: (inout DiffWriter) -> Void) {
        let length = path.count
        path.append(UInt8(ascii: "/"))
        name.escapedForPointer.append(to: &path)
        body(&self)
        path.removeSubrange(length...)
    }

    private mutating func within(_ place: Int, _ body: (inout DiffWriter) -> Void) {
        within(JSONName(bytes: Array(String(place).utf8)[...]), body)
    }

    private mutating func write(_ operation: String, _ value: JSONValue?) {
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
