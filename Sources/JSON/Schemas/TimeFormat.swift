/// Dates and times of RFC 3339 §5.6, stricter than `TextFormat.isTimestamp`, which accepts what programs write.
enum TimeFormat {
    static func isDateTime(_ text: String) -> Bool {
        guard let mark = text.utf8.firstIndex(where: { $0 | 0x20 == UInt8(ascii: "t") }) else { return false }
        return isDate(text.utf8[..<mark]) && isTime(text.utf8[text.utf8.index(after: mark)...])
    }

    static func isDate(_ text: Substring.UTF8View) -> Bool { text.count == 10 && TextFormat.isTimestamp(text) }

    /// With an offset. A leap second must be the last second of a day of UTC.
    static func isTime(_ text: Substring.UTF8View) -> Bool {
        let bytes = Array(text)
        guard bytes.count >= 9, bytes[2] == UInt8(ascii: ":"), bytes[5] == UInt8(ascii: ":"), let hour = number(bytes[0..<2], below: 24),
            let minute = number(bytes[3..<5], below: 60), let second = number(bytes[6..<8], below: 61)
        else { return false }
        var rest = bytes[8...]
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard !digits.isEmpty else { return false }
            rest = rest.dropFirst(digits.count)
        }
        guard let offset = offset(rest) else { return false }
        return second < 60 || (hour * 60 + minute - offset + 1_440) % 1_440 == 1_439
    }

    /// In minutes.
    private static func offset(_ text: ArraySlice<UInt8>) -> Int? {
        guard let sign = text.first else { return nil }
        if sign | 0x20 == UInt8(ascii: "z") { return text.count == 1 ? 0 : nil }
        let digits = Array(text.dropFirst())
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), digits.count == 5, digits[2] == UInt8(ascii: ":"),
            let hours = number(digits[0..<2], below: 24), let minutes = number(digits[3..<5], below: 60)
        else { return nil }
        return (sign == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
    }

    private static func number(_ digits: ArraySlice<UInt8>, below end: Int) -> Int? {
        guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        let number = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        return number < end ? number : nil
    }
}
