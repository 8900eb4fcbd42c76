extension JSONValue {
    /// nil in place of null.
    package var unlessNull: JSONValue? { kind == .null ? nil : self }

    /// Whether it is a string with these characters.
    func isString(_ characters: String) -> Bool { kind == .string && JSONString.isEqual(text, characters) }

    /// Whether both are the same string, number, boolean or null; `1` and `1.0` are the same number.
    package func isScalar(_ other: JSONValue) -> Bool {
        guard kind == other.kind else { return false }
        switch kind {
        case .string: return JSONString.areEqual(text, other.text)
        case .number: return JSONNumber.areEqual(text, other.text)
        case .boolean, .null: return text.elementsEqual(other.text)
        case .array, .object: return false
        }
    }

    /// For messages: the spelling, cut to fit a line.
    package var shown: String {
        switch kind {
        case .array: return "an array"
        case .object: return "an object"
        default:
            guard text.count > 64 else { return String(decoding: text, as: UTF8.self) }
            // Cut where a character begins.
            var end = text.startIndex + 60
            while end > text.startIndex, text[end] & 0xC0 == 0x80 { end -= 1 }
            return String(decoding: text[..<end], as: UTF8.self) + "…"
        }
    }

    /// The effective members: the last one of each name, in the order of the text.
    var lastMembers: [Member] {
        let all = Array(members)
        guard all.count > 1 else { return all }
        var last: [JSONName: Int] = [:]
        last.reserveCapacity(all.count)
        for (place, member) in all.enumerated() { last[JSONName(spelled: member.key.text)] = place }
        return last.count == all.count ? all : last.values.sorted().map { all[$0] }
    }
}
