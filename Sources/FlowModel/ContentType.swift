/// The media type of a state (RFC 9110 §8.3.1). JSON is validated, everything else is opaque.
package struct ContentType: Sendable, Hashable {
    /// As the client wrote it; returned unchanged.
    package let text: String
    /// `application/json` or any `type/subtype+json` (RFC 6839 §3.1), whatever the parameters.
    package let isJSON: Bool

    package static let json = ContentType(text: "application/json", isJSON: true)

    private init(text: String, isJSON: Bool) {
        self.text = text
        self.isJSON = isJSON
    }

    /// - Parameter text: empty means `application/json`.
    /// - Throws: `StateError.invalidArgument` for `content_type`.
    package init(parsing text: String, limits: Limits) throws(StateError) {
        if text.isEmpty {
            self = .json
            return
        }
        if text.utf8.count > limits.contentTypeBytes {
            throw .invalidArgument(
                field: "content_type", message: "is \(text.utf8.count) bytes, the limit is \(limits.contentTypeBytes)")
        }
        var scanner = MediaTypeScanner(text: text)
        guard let isJSON = scanner.mediaType() else {
            throw .invalidArgument(
                field: "content_type",
                message: "must be a media type like application/json or application/octet-stream (RFC 9110, 8.3.1)")
        }
        self.init(text: text, isJSON: isJSON)
    }
}

/// `media-type = type "/" subtype *( OWS ";" OWS [ token "=" ( token / quoted-string ) ] )`
private struct MediaTypeScanner {
    private var rest: Substring.UTF8View

    init(text: String) {
        rest = text[...].utf8
    }

    /// Whether it is JSON; nil when the text is not a media type.
    mutating func mediaType() -> Bool? {
        guard let type = token(), take(UInt8(ascii: "/")), let subtype = token() else { return nil }
        while true {
            skipSpace()
            if rest.isEmpty { break }
            guard take(UInt8(ascii: ";")) else { return nil }
            skipSpace()
            if rest.isEmpty || rest.first == UInt8(ascii: ";") { continue }
            guard token() != nil, take(UInt8(ascii: "=")), token() != nil || quotedString() else { return nil }
        }
        return (type == "application" && subtype == "json") || (subtype.hasSuffix("+json") && subtype.utf8.count > 5)
    }

    /// Lower-cased: types and parameter names are case-insensitive.
    private mutating func token() -> String? {
        let token = rest.prefix(while: Self.isTokenCharacter)
        if token.isEmpty { return nil }
        rest = rest[token.endIndex...]
        return String(Substring(token)).lowercased()
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func skipSpace() {
        rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }

    /// RFC 9110 §5.6.4, ASCII only: `obs-text` is refused.
    private mutating func quotedString() -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst(), escaped >= 0x20, escaped < 0x7F else { return false }
            case 0x20..<0x7F: continue
            default: return false
            }
        }
        return false
    }

    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
