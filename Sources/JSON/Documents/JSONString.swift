/// Strings as spelled in a checked JSON text: in quotes, with escapes.
package enum JSONString {
    /// The characters. A surrogate escape without its other half becomes U+FFFD, as a `String` cannot hold it.
    static func decode(_ text: ArraySlice<UInt8>) -> String {
        let inner = text.dropFirst().dropLast()
        guard inner.contains(UInt8(ascii: "\\")) else { return String(decoding: inner, as: UTF8.self) }
        var units: [UInt16] = []
        units.reserveCapacity(inner.count)
        forEachUnit(inner) { units.append($0) }
        return String(decoding: units, as: UTF16.self)
    }

    /// Whether a spelled string has these characters. Fast when there are no escapes.
    static func isEqual(_ text: ArraySlice<UInt8>, _ characters: String) -> Bool {
        let inner = text.dropFirst().dropLast()
        // Escapes only make a spelling longer.
        if inner.count < characters.utf8.count { return false }
        if inner.elementsEqual(characters.utf8) { return !inner.contains(UInt8(ascii: "\\")) }
        return inner.contains(UInt8(ascii: "\\")) && decode(text).utf8.elementsEqual(characters.utf8)
    }

    /// Whether two spellings mean the same code units, single surrogates included (RFC 8259 §8.3).
    static func areEqual(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Bool {
        if one.elementsEqual(other) { return true }
        let backslash = UInt8(ascii: "\\")
        guard one.contains(backslash) || other.contains(backslash) else { return false }
        return units(one) == units(other)
    }

    /// UTF-16, with single surrogates as they are.
    static func units(_ text: ArraySlice<UInt8>) -> [UInt16] {
        var units: [UInt16] = []
        forEachUnit(text.dropFirst().dropLast()) { units.append($0) }
        return units
    }

    /// The number of characters (code points); a single surrogate is one.
    static func count(_ text: ArraySlice<UInt8>) -> Int {
        let inner = text.dropFirst().dropLast()
        guard inner.contains(UInt8(ascii: "\\")) else { return inner.reduce(0) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 } }
        var (count, isBehindLead) = (0, false)
        forEachUnit(inner) { unit in
            count += isBehindLead && UTF16.isTrailSurrogate(unit) ? 0 : 1
            isBehindLead = UTF16.isLeadSurrogate(unit)
        }
        return count
    }

    /// Spells a string: with quotes, and with escapes only where JSON requires them.
    package static func spell(_ characters: String) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "\"")]
        bytes.reserveCapacity(characters.utf8.count + 2)
        for byte in characters.utf8 { append(byte, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
        return bytes
    }

    /// Spells a string behind a text. Fast when there is nothing to escape.
    package static func spell(_ characters: String, to text: inout String) {
        if characters.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
            text += String(decoding: spell(characters), as: UTF8.self)
        } else {
            text += "\""
            text += characters
            text += "\""
        }
    }

    /// One byte of a string's UTF-8, escaped where JSON requires it.
    static func append(_ byte: UInt8, to bytes: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
        case UInt8(ascii: "\n"): bytes += Array("\\n".utf8)
        case UInt8(ascii: "\r"): bytes += Array("\\r".utf8)
        case UInt8(ascii: "\t"): bytes += Array("\\t".utf8)
        case 0..<0x20: bytes += Array("\\u00".utf8) + [digit(byte >> 4), digit(byte & 15)]
        default: bytes.append(byte)
        }
    }

    static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }

    private static func forEachUnit(_ inner: ArraySlice<UInt8>, _ body: (UInt16) -> Void) {
        var place = inner.startIndex
        while place < inner.endIndex {
            if inner[place] == UInt8(ascii: "\\"), place + 1 < inner.endIndex {
                let escape = inner[place + 1]
                if escape == UInt8(ascii: "u"), place + 6 <= inner.endIndex {
                    body(inner[(place + 2)..<(place + 6)].reduce(0) { $0 << 4 | hexadecimal($1) })
                    place += 6
                } else {
                    body(unescaped(escape))
                    place += 2
                }
                continue
            }
            let end = inner[place...].firstIndex(of: UInt8(ascii: "\\")) ?? inner.endIndex
            for unit in String(decoding: inner[place..<end], as: UTF8.self).utf16 { body(unit) }
            place = end
        }
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt16 {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(digit - UInt8(ascii: "a") + 10)
        default: UInt16((digit & 0x5F) &- UInt8(ascii: "A") &+ 10)
        }
    }

    private static func unescaped(_ escape: UInt8) -> UInt16 {
        switch escape {
        case UInt8(ascii: "n"): 10
        case UInt8(ascii: "r"): 13
        case UInt8(ascii: "t"): 9
        case UInt8(ascii: "b"): 8
        case UInt8(ascii: "f"): 12
        default: UInt16(escape)
        }
    }
}
