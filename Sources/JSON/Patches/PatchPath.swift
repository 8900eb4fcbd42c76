/// A JSON Pointer (RFC 6901) in a patch. Unlike `JSONPointer` it keeps code units that a `String` cannot hold, so that it never denotes a
/// member that only looks the same.
struct PatchPath: Sendable, Hashable {
    /// Unescaped.
    let tokens: [JSONName]

    init(_ tokens: [JSONName]) { self.tokens = tokens }

    /// - Parameter text: a string as spelled in a checked JSON text.
    /// - Returns: nil unless it is "" or begins with "/", and has "~" only in "~0" and "~1" (§3).
    init?(spelled text: ArraySlice<UInt8>) {
        let bytes = JSONName(spelled: text).bytes
        guard let first = bytes.first else {
            tokens = []
            return
        }
        guard first == UInt8(ascii: "/") else { return nil }
        var tokens: [JSONName] = []
        for part in bytes.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let token = Self.unescape(part) else { return nil }
            tokens.append(JSONName(bytes: token))
        }
        self.tokens = tokens
    }

    private static func unescape(_ part: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard part.contains(UInt8(ascii: "~")) else { return part }
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in part {
            switch (isEscaped, byte) {
            case (true, UInt8(ascii: "0")): bytes.append(UInt8(ascii: "~"))
            case (true, UInt8(ascii: "1")): bytes.append(UInt8(ascii: "/"))
            case (true, _): return nil
            case (false, UInt8(ascii: "~")): break
            case (false, _): bytes.append(byte)
            }
            isEscaped = !isEscaped && byte == UInt8(ascii: "~")
        }
        return isEscaped ? nil : bytes[...]
    }

    func prefix(_ count: Int) -> PatchPath { PatchPath(Array(tokens.prefix(count))) }

    /// Whether the other path leads into the value at this one.
    func isProperPrefix(of other: PatchPath) -> Bool {
        tokens.count < other.tokens.count && other.tokens.starts(with: tokens)
    }
}

extension PatchPath: CustomStringConvertible {
    /// As RFC 6901 spells it, shortened for messages.
    var description: String {
        let limit = 200
        var bytes: [UInt8] = []
        for token in tokens where bytes.count <= limit {
            bytes.append(UInt8(ascii: "/"))
            bytes += JSONName(bytes: token.bytes.prefix(limit)).escapedForPointer.bytes
        }
        let text = String(decoding: bytes.prefix(limit), as: UTF8.self)
        return bytes.count > limit ? text + "…" : text
    }
}

extension JSONName {
    /// What a token denotes in an array (RFC 6901 §4).
    enum Place: Equatable {
        /// Decimal digits without a leading zero; a number that does not fit an `Int` is the largest one.
        case index(Int)
        /// "-": behind the last element.
        case end
        case invalid
    }

    var place: Place {
        if bytes.elementsEqual([UInt8(ascii: "-")]) { return .end }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = bytes.first, bytes.allSatisfy(digits.contains) else { return .invalid }
        if first == UInt8(ascii: "0"), bytes.count > 1 { return .invalid }
        return .index(Int(String(decoding: bytes, as: UTF8.self)) ?? .max)
    }

    /// Escaped as a token of a pointer (RFC 6901 §3).
    var escapedForPointer: JSONName {
        guard bytes.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else { return self }
        var escaped: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "~"): escaped += Array("~0".utf8)
            case UInt8(ascii: "/"): escaped += Array("~1".utf8)
            default: escaped.append(byte)
            }
        }
        return JSONName(bytes: escaped[...])
    }
}
