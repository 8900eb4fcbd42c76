/// Formats of texts, checked by their bytes: no locale, no calendar library, no allocation.
package enum TextFormat {
    /// 8-4-4-4-12 hexadecimal digits (RFC 9562 §4).
    package static func isUUID(_ text: some Collection<UInt8>) -> Bool {
        guard text.count == 36 else { return false }
        for (place, byte) in text.enumerated() {
            switch place {
            case 8, 13, 18, 23: if byte != UInt8(ascii: "-") { return false }
            default: if !isHexadecimal(byte) { return false }
            }
        }
        return true
    }

    /// A date of the years 0001 to 9999, or a date and a time of day, with or without an offset: the forms of ISO 8601 that programs write.
    /// `2026-02-29` is not a date.
    package static func isTimestamp(_ text: some Collection<UInt8>) -> Bool {
        var scanner = Scanner(Array(text))
        guard let year = scanner.number(4), scanner.take("-"), let month = scanner.number(2), scanner.take("-"),
            let day = scanner.number(2), year >= 1, (1...12).contains(month), (1...days(year, month)).contains(day)
        else { return false }
        if scanner.isAtEnd { return true }
        guard scanner.take("T") || scanner.take("t") || scanner.take(" ") else { return false }
        guard let hour = scanner.number(2), hour < 24, scanner.take(":"), let minute = scanner.number(2), minute < 60 else { return false }
        if scanner.take(":") {
            // 60 is a leap second.
            guard let second = scanner.number(2), second <= 60 else { return false }
            if scanner.take(".") || scanner.take(","), !(1...9).contains(scanner.digits()) { return false }
        }
        if scanner.take("Z") || scanner.take("z") { return scanner.isAtEnd }
        if scanner.take("+") || scanner.take("-") {
            guard let hours = scanner.number(2), hours < 24 else { return false }
            if scanner.isAtEnd { return true }
            _ = scanner.take(":")
            guard let minutes = scanner.number(2), minutes < 60 else { return false }
        }
        return scanner.isAtEnd
    }

    private static func days(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    private struct Scanner {
        private var rest: ArraySlice<UInt8>

        init(_ text: [UInt8]) { rest = text[...] }

        var isAtEnd: Bool { rest.isEmpty }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest.removeFirst()
            return true
        }

        /// Exactly so many digits.
        mutating func number(_ count: Int) -> Int? {
            let digits = rest.prefix(count)
            guard digits.count == count, digits.allSatisfy(isDigit) else { return nil }
            rest.removeFirst(count)
            return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }

        /// Takes the digits that follow, and returns their number.
        mutating func digits() -> Int {
            let digits = rest.prefix(while: isDigit)
            rest.removeFirst(digits.count)
            return digits.count
        }
    }
}
