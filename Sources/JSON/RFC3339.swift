/// Times as text (RFC 3339) and back, in the proleptic Gregorian calendar.
package enum RFC3339 {
    /// The time in UTC with microseconds, such as `2026-03-01T09:30:00.250000Z`.
    ///
    /// - Parameter seconds: since 1970-01-01 00:00 UTC.
    package static func text(seconds: Int64, nanoseconds: Int32) -> String {
        let (date, clock) = parts(seconds)
        return "\(date)T\(clock).\(padded(Int64(min(max(nanoseconds, 0), 999_999_999)) / 1_000, 6))Z"
    }

    /// The same with 0, 3, 6 or 9 digits of a fraction, as few as hold it.
    package static func shortestText(seconds: Int64, nanoseconds: Int32) -> String {
        let (date, clock) = parts(seconds)
        return "\(date)T\(clock)\(fraction(Int64(nanoseconds)))Z"
    }

    /// The time in UTC for people, such as `2026-03-01 09:30:00Z`.
    package static func shortText(seconds: Int64) -> String {
        let (date, clock) = parts(seconds)
        return "\(date) \(clock)Z"
    }

    /// Nanoseconds as a fraction of a second with 3, 6 or 9 digits, as few as hold it; empty for none.
    package static func fraction(_ nanoseconds: Int64) -> String {
        let nanos = min(max(nanoseconds, 0), 999_999_999)
        switch nanos {
        case 0: return ""
        case _ where nanos % 1_000_000 == 0: return "." + padded(nanos / 1_000_000, 3)
        case _ where nanos % 1_000 == 0: return "." + padded(nanos / 1_000, 6)
        default: return "." + padded(nanos, 9)
        }
    }

    /// Reads `date-time` of RFC 3339 §5.6, to the nanosecond (further digits are dropped). A space may replace the `T`. Nil for anything
    /// else, for a time without an offset, for leap seconds, and for what a protobuf timestamp does not hold (years other than 1 to 9999).
    package static func parse(_ text: String) -> (seconds: Int64, nanoseconds: Int32)? {
        var rest = text.utf8[...]
        guard let year = digits(4, &rest), take("-", &rest), let month = digits(2, &rest), take("-", &rest),
            let day = digits(2, &rest), take("Tt ", &rest), let hour = digits(2, &rest), take(":", &rest),
            let minute = digits(2, &rest), take(":", &rest), let second = digits(2, &rest),
            (1...12).contains(month), day >= 1, day <= daysIn(month: month, year: year), hour < 24, minute < 60,
            second < 60, let nanos = fraction(&rest), let offset = offset(&rest), rest.isEmpty
        else { return nil }
        let seconds = daysFromEpoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
        guard Self.seconds.contains(seconds) else { return nil }
        return (seconds, nanos)
    }

    /// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, as timestamp.proto says.
    private static let seconds: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    /// An invalid time, from a file or from another kind of server, is shown as the nearest valid one.
    private static func parts(_ time: Int64) -> (date: String, clock: String) {
        let seconds = min(max(time, seconds.lowerBound), seconds.upperBound)
        let second = ((seconds % 86_400) + 86_400) % 86_400
        let (year, month, day) = civil(days: (seconds - second) / 86_400)
        return (
            "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))",
            "\(padded(second / 3_600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
        )
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
    }
}

// MARK: - Calendar

extension RFC3339 {
    private static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year,
    /// in eras of 400 years (146,097 days).
    private static func daysFromEpoch(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The inverse of `daysFromEpoch`.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }
}

// MARK: - Scanning

extension RFC3339 {
    private static func digits(_ count: Int, _ rest: inout Substring.UTF8View) -> Int64? {
        guard rest.count >= count else { return nil }
        var value: Int64 = 0
        for byte in rest.prefix(count) {
            guard (0x30...0x39).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        rest = rest.dropFirst(count)
        return value
    }

    private static func take(_ characters: String, _ rest: inout Substring.UTF8View) -> Bool {
        guard let first = rest.first, characters.utf8.contains(first) else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// Nanoseconds; 0 where there is no fraction.
    private static func fraction(_ rest: inout Substring.UTF8View) -> Int32? {
        guard take(".", &rest) else { return 0 }
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else { return nil }
        rest = rest[digits.endIndex...]
        var nanos: Int32 = 0
        var iterator = digits.makeIterator()
        for _ in 0..<9 { nanos = nanos * 10 + Int32((iterator.next() ?? 0x30) - 0x30) }
        return nanos
    }

    /// Seconds east of UTC.
    private static func offset(_ rest: inout Substring.UTF8View) -> Int64? {
        if take("Zz", &rest) { return 0 }
        let sign: Int64 = rest.first == UInt8(ascii: "-") ? -1 : 1
        guard take("+-", &rest), let hours = digits(2, &rest), take(":", &rest), let minutes = digits(2, &rest),
            hours < 24, minutes < 60
        else { return nil }
        return sign * (hours * 3_600 + minutes * 60)
    }
}
