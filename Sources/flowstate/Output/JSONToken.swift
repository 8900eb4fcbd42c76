/// The grammar of JSON's strings, numbers and literals (RFC 8259 §3, §6, §7), on bytes that are UTF-8.
enum JSONToken {
    /// Where the string that begins at `start` ends; nil when it does not end, or has a raw control character or an invalid escape.
    static func stringEnd(in text: [UInt8], from start: Int) -> Int? {
        var index = start + 1
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "\""): return index + 1
            case UInt8(ascii: "\\"):
                guard index + 1 < text.count else { return nil }
                if text[index + 1] == UInt8(ascii: "u") {
                    guard index + 5 < text.count, text[index + 2...index + 5].allSatisfy(isHexadecimal) else { return nil }
                    index += 6
                } else {
                    guard "\"\\/bfnrt".utf8.contains(text[index + 1]) else { return nil }
                    index += 2
                }
            case 0..<0x20: return nil
            default: index += 1
            }
        }
        return nil
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }

    static func isLiteral(_ token: ArraySlice<UInt8>) -> Bool {
        ["true", "false", "null"].contains { token.elementsEqual($0.utf8) }
    }

    /// `[ minus ] int [ frac ] [ exp ]`
    static func isNumber(_ token: ArraySlice<UInt8>) -> Bool {
        var rest = token
        func digits() -> Int {
            let count = rest.prefix { (0x30...0x39).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        func take(_ characters: String) -> Bool {
            guard let first = rest.first, characters.utf8.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = take("-")
        let leadingZero = rest.first == UInt8(ascii: "0")
        let integerDigits = digits()
        guard integerDigits == 1 || (integerDigits > 1 && !leadingZero) else { return false }
        if take("."), digits() == 0 { return false }
        if take("eE") {
            _ = take("+-")
            if digits() == 0 { return false }
        }
        return rest.isEmpty
    }
}
