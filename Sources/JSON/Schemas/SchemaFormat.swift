/// The formats of draft-07 that are checked (§7.3), and `uuid`, which came later and is in wide use. Others are ignored: `idn-email`,
/// `idn-hostname`, `iri`, `iri-reference`, `uri-template` and unknown ones.
enum SchemaFormat: String, Sendable {
    case dateTime = "date-time"
    case date, time, email, hostname, ipv4, ipv6, uri, regex, uuid
    case uriReference = "uri-reference"
    case jsonPointer = "json-pointer"
    case relativeJSONPointer = "relative-json-pointer"

    /// - Parameter limits: bounds the memory of a `regex`; the caller checks its length.
    func fits(_ text: String, _ limits: SchemaLimits) -> Bool {
        switch self {
        case .dateTime: TimeFormat.isDateTime(text)
        case .date: TimeFormat.isDate(text.utf8[...])
        case .time: TimeFormat.isTime(text.utf8[...])
        case .email: Self.isEmail(text)
        case .hostname: Self.isHostname(text.utf8[...])
        case .ipv4: Self.isIPv4(text.utf8[...])
        case .ipv6: Self.isIPv6(text)
        case .uri: Self.hasURICharacters(text) && URIReference(text).isAbsolute
        case .uriReference: Self.hasURICharacters(text)
        case .regex: SchemaPattern.isPattern(text, memory: limits.patternMemoryBytes)
        case .uuid: TextFormat.isUUID(text.utf8)
        case .jsonPointer: JSONPointer(text) != nil
        case .relativeJSONPointer: Self.isRelativeJSONPointer(text)
        }
    }

    // MARK: Names and addresses

    /// RFC 5321 §4.1.2: words with dots, or a quoted text, before the "@"; a host's name, or an address in brackets, behind it.
    private static func isEmail(_ text: String) -> Bool {
        guard let at = text.utf8.lastIndex(of: UInt8(ascii: "@")) else { return false }
        let (local, domain) = (text.utf8[..<at], text.utf8[text.utf8.index(after: at)...])
        guard isLocalPart(local) else { return false }
        guard domain.first == UInt8(ascii: "["), domain.last == UInt8(ascii: "]") else { return isHostname(domain) }
        let address = domain.dropFirst().dropLast()
        if address.starts(with: "IPv6:".utf8) { return isIPv6(String(Substring(address.dropFirst(5)))) }
        return isIPv4(address)
    }

    private static func isLocalPart(_ local: Substring.UTF8View) -> Bool {
        if local.count > 2, local.first == UInt8(ascii: "\""), local.last == UInt8(ascii: "\"") {
            return local.dropFirst().dropLast().allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }
        }
        return local.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { word in
            !word.isEmpty && word.allSatisfy { isAlphanumeric($0) || "!#$%&'*+-/=?^_`{|}~".utf8.contains($0) }
        }
    }

    /// RFC 1123 §2.1.
    private static func isHostname(_ text: Substring.UTF8View) -> Bool {
        let labels = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return text.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                    && label.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
            }
    }

    private static func isIPv4(_ text: Substring.UTF8View) -> Bool {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.count) && part.allSatisfy(isDigit) && (part.count == 1 || part.first != UInt8(ascii: "0"))
                    && (Int(String(Substring(part))) ?? 256) < 256
            }
    }

    /// RFC 4291 §2.2.
    private static func isIPv6(_ text: String) -> Bool {
        let halves = text.components(around: "::")
        guard halves.count <= 2 else { return false }
        var groups = 0
        for (place, half) in halves.enumerated() where !half.isEmpty {
            let parts = half.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            for (number, part) in parts.enumerated() {
                if place == halves.count - 1, number == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                    guard isIPv4(part) else { return false }
                    groups += 2
                } else {
                    guard (1...4).contains(part.count), part.allSatisfy(isHexadecimal) else { return false }
                    groups += 1
                }
            }
        }
        return halves.count == 2 ? groups < 8 : groups == 8
    }

    // MARK: References

    /// RFC 3986 §2: only its characters, "%" only before two digits, "#" once. "[" and "]", which belong around an address, are accepted
    /// anywhere.
    private static func hasURICharacters(_ text: String) -> Bool {
        var (marks, rest) = (0, text.utf8[...])
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard rest.count >= 2, rest.prefix(2).allSatisfy(isHexadecimal) else { return false }
            case UInt8(ascii: "#"):
                marks += 1
                if marks > 1 { return false }
            default:
                guard isAlphanumeric(byte) || "-._~:/?[]@!$&'()*+,;=".utf8.contains(byte) else { return false }
            }
        }
        return true
    }

    /// A number without leading zeros, then "#" or a pointer.
    private static func isRelativeJSONPointer(_ text: String) -> Bool {
        let digits = text.utf8.prefix(while: isDigit)
        guard !digits.isEmpty, digits.count == 1 || digits.first != UInt8(ascii: "0") else { return false }
        // By bytes: a combining mark behind the last digit would make one character of both.
        let rest = String(Substring(text.utf8.dropFirst(digits.count)))
        return rest == "#" || JSONPointer(rest) != nil
    }

    // MARK: Bytes

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

extension String {
    /// The parts before, between and behind the occurrences of a separator.
    fileprivate func components(around separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}
