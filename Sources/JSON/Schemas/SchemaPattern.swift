/// A regular expression of a schema: RE2's syntax, and ECMA-262's where only the spelling differs, as in `\u00e9` and `(?<name>…)`.
/// Look-around and back-references are refused.
struct SchemaPattern: Sendable {
    /// As spelled in the schema.
    let source: String
    private let compiled: TextPattern

    /// - Returns: nil, with the fault to report.
    static func compile(_ source: String, _ patterns: PatternTable) -> (pattern: SchemaPattern?, fault: String?) {
        let (compiled, fault) = patterns.compile(source, as: translate(source))
        return (compiled.map { SchemaPattern(source: source, compiled: $0) }, fault)
    }

    /// Whether a text is a pattern.
    static func isPattern(_ source: String, memory: Int) -> Bool { (try? TextPattern(translate(source), memory: memory)) != nil }

    /// See `TextPattern.steps`.
    func steps(_ bytes: Int) -> Int { compiled.steps(bytes) }

    /// Whether it matches somewhere in the text; nil without memory.
    func isFound(in text: String) -> Bool? { compiled.isFound(in: text) }

    private static func translate(_ source: String) -> String {
        guard source.contains("\\u") || source.contains("(?<") else { return source }
        var result = ""
        var rest = Substring(source)
        // In a class a group is only characters. The first "]" ends the class, even directly behind "[": ECMA-262 has empty classes.
        var isInClass = false
        while let character = rest.unicodeScalars.first {
            if character == "\\" {
                rest = translateEscape(rest, into: &result)
            } else if !isInClass, rest.hasPrefix("(?<"), !rest.hasPrefix("(?<="), !rest.hasPrefix("(?<!") {
                result += "(?P<"
                rest = rest.dropFirst(3)
            } else {
                if character == "[" { isInClass = true }
                if character == "]" { isInClass = false }
                result.unicodeScalars.append(character)
                rest = rest[rest.unicodeScalars.index(after: rest.startIndex)...]
            }
        }
        return result
    }

    /// Translates the escape at the beginning of a text. Two of `\uXXXX` may be one character.
    private static func translateEscape(_ text: Substring, into result: inout String) -> Substring {
        guard let (unit, behind) = escapedUnit(text) else {
            let escape = text.unicodeScalars.prefix(2)
            result.unicodeScalars += escape
            return text[escape.endIndex...]
        }
        var (scalar, rest) = (UInt32(unit), behind)
        if UTF16.isLeadSurrogate(unit), let (trail, behind) = escapedUnit(rest), UTF16.isTrailSurrogate(trail) {
            scalar = 0x10000 + (UInt32(unit) & 0x3FF) << 10 + UInt32(trail) & 0x3FF
            rest = behind
        }
        result += "\\x{" + String(scalar, radix: 16) + "}"
        return rest
    }

    private static func escapedUnit(_ text: Substring) -> (unit: UInt16, behind: Substring)? {
        guard text.hasPrefix("\\u") else { return nil }
        let digits = text.dropFirst(2).prefix(4)
        guard digits.count == 4, digits.allSatisfy(\.isHexDigit), let unit = UInt16(digits, radix: 16) else { return nil }
        return (unit, text[digits.endIndex...])
    }
}
