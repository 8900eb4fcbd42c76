/// Text from elsewhere, made safe to show on a terminal: control characters could move its cursor, change its
/// settings or make text look like other text.
enum TerminalText {
    /// Control characters (C0, DEL, C1), line separators, and those that change the direction of text.
    static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x61C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// The text in one line: what is unsafe is shown as JSON escapes.
    static func line(_ text: String) -> String { escape(text) { isUnsafe($0) } }

    /// As `line`, but line feeds and tabs stay.
    static func lines(_ text: String) -> String { escape(text) { isUnsafe($0) && $0 != "\n" && $0 != "\t" } }

    /// Replaces each scalar that `isEscaped` picks by its JSON escape.
    static func escape(_ text: String, where isEscaped: (Unicode.Scalar) -> Bool) -> String {
        guard text.unicodeScalars.contains(where: isEscaped) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isEscaped(scalar) { result += jsonEscape(scalar) } else { result.unicodeScalars.append(scalar) }
        }
        return result
    }

    /// The escape of one scalar of the basic multilingual plane in a JSON string (RFC 8259 §7).
    static func jsonEscape(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default:
            let digits = String(scalar.value, radix: 16)
            return "\\u" + String(repeating: "0", count: max(4 - digits.utf8.count, 0)) + digits
        }
    }

    /// How many columns of a terminal the text takes: ideographs, Hangul and emoji take two, combining marks none
    /// (a cluster is as wide as its first scalar).
    static func width(_ text: String) -> Int {
        text.reduce(0) { $0 + ($1.unicodeScalars.first.map(width) ?? 0) }
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF,
            0x20000...0x3FFFD:
            2
        default: 1
        }
    }
}
