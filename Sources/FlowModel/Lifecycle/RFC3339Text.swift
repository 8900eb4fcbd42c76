/// Timestamps in states: RFC 3339 in UTC, to the microsecond.
enum RFC3339Text {
    static func text(_ time: Timestamp) -> String {
        let (seconds, microseconds) = floored(time.microseconds, 1_000_000)
        let (day, second) = floored(seconds, 86_400)
        let (year, month, date) = civil(day)
        let clock = [second / 3_600, second / 60 % 60, second % 60].map { padded($0, 2) }.joined(separator: ":")
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(date, 2))T\(clock).\(padded(microseconds, 6))Z"
    }

    private static func floored(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, rest: Int64) {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar: years are taken to begin in March, so that the
    /// leap day is their last.
    private static func civil(_ day: Int64) -> (year: Int64, month: Int64, date: Int64) {
        let daysOf400Years: Int64 = 146_097
        let (era, dayOfEra) = floored(day + 719_468, daysOf400Years)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let date = dayOfYear - (153 * month + 2) / 5 + 1
        let isNextYear = month >= 10
        return (era * 400 + yearOfEra + (isNextYear ? 1 : 0), month + (isNextYear ? -9 : 3), date)
    }
}
