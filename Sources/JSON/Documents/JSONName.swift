import CJSON

/// The name of a member, or a token of a JSON Pointer, as its code units. A single surrogate, which no `String` can hold, is kept apart
/// from every other one: two names are equal exactly when JSON's strings are (RFC 8259 §8.3).
package struct JSONName: Sendable {
    /// UTF-8 in which a single surrogate has its three bytes too ("WTF-8").
    let bytes: ArraySlice<UInt8>

    package init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// A string as spelled in a checked JSON text. Copies nothing when there are no escapes.
    package init(spelled text: ArraySlice<UInt8>) {
        let inner = text.dropFirst().dropLast()
        bytes = inner.contains(UInt8(ascii: "\\")) ? Self.encode(JSONString.units(text)) : inner
    }

    /// A name as plain text, not as JSON spells it.
    package init(_ text: String) { bytes = Array(text.utf8)[...] }

    /// As text; a single surrogate becomes U+FFFD.
    package var characters: String { JSONString.decode(spelled[...]) }

    /// Spelled with quotes, and with escapes only where JSON requires them or UTF-8 cannot encode the character.
    var spelled: [UInt8] {
        var text: [UInt8] = [UInt8(ascii: "\"")]
        text.reserveCapacity(bytes.count + 2)
        append(to: &text)
        text.append(UInt8(ascii: "\""))
        return text
    }

    /// Spelled without the quotes.
    func append(to text: inout [UInt8]) {
        var place = bytes.startIndex
        while place < bytes.endIndex {
            let byte = bytes[place]
            // The surrogates U+D800…U+DFFF are ED A0 80…ED BF BF.
            if byte == 0xED, place + 2 < bytes.endIndex, bytes[place + 1] >= 0xA0 {
                let low = (bytes[place + 1] & 0x03) << 6 | bytes[place + 2] & 0x3F
                let high = 0xD8 | (bytes[place + 1] >> 2) & 0x07
                text += Array("\\u".utf8)
                text += [high >> 4, high & 15, low >> 4, low & 15].map(JSONString.digit)
                place += 3
            } else {
                JSONString.append(byte, to: &text)
                place += 1
            }
        }
    }

    private static func encode(_ units: [UInt16]) -> ArraySlice<UInt8> {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(units.count)
        var place = 0
        while place < units.count {
            let unit = units[place]
            let following = place + 1 < units.count ? units[place + 1] : 0
            if UTF16.isLeadSurrogate(unit), UTF16.isTrailSurrogate(following) {
                append(0x10000 + (UInt32(unit) & 0x3FF) << 10 + UInt32(following) & 0x3FF, to: &bytes)
                place += 2
            } else {
                append(UInt32(unit), to: &bytes)
                place += 1
            }
        }
        return bytes[...]
    }

    private static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        let tail = { (shift: UInt32) in UInt8(truncatingIfNeeded: scalar >> shift & 0x3F | 0x80) }
        switch scalar {
        case ..<0x80: bytes.append(UInt8(truncatingIfNeeded: scalar))
        case ..<0x800: bytes += [UInt8(truncatingIfNeeded: scalar >> 6 | 0xC0), tail(0)]
        case ..<0x10000: bytes += [UInt8(truncatingIfNeeded: scalar >> 12 | 0xE0), tail(6), tail(0)]
        default: bytes += [UInt8(truncatingIfNeeded: scalar >> 18 | 0xF0), tail(12), tail(6), tail(0)]
        }
    }
}

extension JSONValue {
    /// A string in a document of its own.
    init(string: JSONName) {
        let text = string.spelled
        let node = cjson_node(kind_and_height: CJSON_STRING.rawValue, begin: 0, end: UInt32(clamping: text.count), next: 1)
        self.init(document: JSONDocument(text, nodes: [node]), index: 0)
    }
}

extension JSONName: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) { self.init(text) }
}

extension JSONName: Hashable {
    /// Hashes all bytes at once: the slice's own hash takes them one by one.
    package func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}
