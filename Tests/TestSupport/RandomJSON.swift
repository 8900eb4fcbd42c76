import JSON

/// JSON texts by chance, with everything that makes JSON hard: escapes, single surrogates, numbers in many spellings, names that look like
/// places or need escapes in pointers, white space anywhere.
package struct RandomJSON {
    package var random: SeededGenerator
    /// Whether an object may have a name twice.
    package var repeatsNames = false

    /// The spellings of one name stand together.
    package static let names: [[String]] = [
        ["a", "\\u0061"], ["b"], ["c"], ["d"], [""], ["/", "\\/"], ["~"], ["~1"], ["m~n/o"], ["é", "\\u00e9", "\\u00E9"], ["0"], ["1"],
        ["-"], ["01"], ["\\ud800"], ["\\ud801", "\\uD801"], ["\u{FFFD}", "\\uFFFD"], ["🦊", "\\ud83e\\udd8a"], ["\\u0000"], ["\\\\"],
    ]

    package static let numbers: [[String]] = [
        ["0", "-0", "0.0", "0e9", "-0E-1"], ["1", "1.0", "10e-1", "0.1e1", "1E+0"], ["-1", "-1.00"], ["100", "1E+2", "1e2", "100.0"],
        ["1e400", "10E399"], ["1e-400"], ["12345678901234567890123", "12345678901234567890123.0"], ["12345678901234567890124"],
        ["0.1", "1e-1"], ["0.10000000000000000001"], ["1e99999999999999999999"],
    ]

    package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    package mutating func chance(_ one: Int, in all: Int) -> Bool { Int.random(in: 0..<all, using: &random) < one }

    package mutating func pick<Element>(_ elements: [Element], _ other: Element) -> Element {
        elements.randomElement(using: &random) ?? other
    }

    package mutating func space() -> String { pick(["", "", "", "", " ", "\n", "\t \r\n"], "") }

    package mutating func string() -> String {
        let pieces = Self.names + [["the quick brown fox"], ["\\\""], ["\\n", "\\u000a"], ["\\b\\f\\r\\t"], ["\u{7F}"], ["x"]]
        return "\"" + (0..<Int.random(in: 0...3, using: &random)).map { _ in pick(pick(pieces, []), "") }.joined() + "\""
    }

    package mutating func scalar() -> String {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return pick(["null", "true", "false"], "null")
        case 1: return string()
        default: return pick(pick(Self.numbers, []), "0")
        }
    }

    package mutating func value(depth: Int = 4) -> String {
        let count = Int.random(in: 0...5, using: &random)
        switch Int.random(in: 0..<(depth == 0 ? 2 : 5), using: &random) {
        case 0, 1: return scalar()
        case 2: return array((0..<count).map { _ in value(depth: depth - 1) })
        default:
            return object((0..<count).map { _ in (pick(pick(Self.names, []), ""), value(depth: depth - 1)) })
        }
    }

    package mutating func container() -> String {
        array([value(), object([("a", value()), ("b", value())]), value()])
    }

    package mutating func array(_ elements: [String]) -> String {
        "[" + space() + elements.map { space() + $0 + space() }.joined(separator: ",") + "]"
    }

    /// - Parameter members: names without quotes.
    package mutating func object(_ members: [(String, String)]) -> String {
        var seen: Set<JSONName> = []
        let kept = members.filter { name, _ in
            seen.insert(JSONName(spelled: Array("\"\(name)\"".utf8)[...])).inserted || repeatsNames
        }
        return "{" + space() + kept.map { "\(space())\"\($0)\"\(space()):\(space())\($1)\(space())" }.joined(separator: ",") + "}"
    }

    /// The same value with a few things changed, spelled otherwise here and there.
    package mutating func change(_ value: JSONValue) -> String {
        if chance(1, in: 12) { return self.value(depth: 2) }
        switch value.kind {
        case .array:
            var elements: [String] = []
            for element in value.elements where !chance(1, in: 8) {
                if chance(1, in: 8) { elements.append(self.value(depth: 1)) }
                elements.append(change(element))
            }
            if chance(1, in: 8) { elements.shuffle(using: &random) }
            return array(elements)
        case .object:
            var members: [(String, String)] = []
            for member in value.members where !chance(1, in: 8) { members.append((Self.inner(member.key), change(member.value))) }
            if chance(1, in: 4) { members.append((pick(pick(Self.names, []), ""), self.value(depth: 1))) }
            if chance(1, in: 4) { members.shuffle(using: &random) }
            return object(members)
        case .number:
            let text = String(decoding: value.text, as: UTF8.self)
            return pick(Self.numbers.first { $0.contains(text) } ?? [text], text)
        default: return String(decoding: value.text, as: UTF8.self)
        }
    }

    private static func inner(_ key: JSONValue) -> String { String(decoding: key.text.dropFirst().dropLast(), as: UTF8.self) }

    /// A few bytes changed, so that it is seldom JSON any more.
    package mutating func damage(_ text: [UInt8]) -> [UInt8] {
        var bytes = text
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            guard let index = bytes.indices.randomElement(using: &random) else { return bytes }
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.remove(at: index)
            case 1: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.insert(Array("\"\\{}[]:,0-+.eEnu \u{00}\u{01}dD8".utf8).randomElement(using: &random) ?? 0, at: index)
            default: bytes.removeSubrange(index...)
            }
        }
        return bytes
    }
}

/// For tests: nesting is bounded as by default.
package func parse(_ text: String) throws -> JSONDocument { try JSONDocument(Array(text.utf8), maximumDepth: 256) }

package func parse(_ bytes: [UInt8]) throws -> JSONDocument { try JSONDocument(bytes, maximumDepth: 256) }

package func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
