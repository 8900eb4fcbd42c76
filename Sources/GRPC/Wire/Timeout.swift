import NIOCore

/// `grpc-timeout` (PROTOCOL-HTTP2.md): up to eight digits and a unit.
enum Timeout {
    /// Nil when the text is not a timeout.
    static func parse(_ text: String) -> TimeAmount? {
        let bytes = text.utf8
        guard let unit = bytes.last, (2...9).contains(bytes.count) else { return nil }
        var value: Int64 = 0
        for digit in bytes.dropLast() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        // Eight digits of hours do not overflow 64 bits of seconds, but do so in nanoseconds.
        func amount(_ nanoseconds: Int64) -> TimeAmount {
            let (product, overflow) = value.multipliedReportingOverflow(by: nanoseconds)
            return .nanoseconds(overflow ? .max / 4 : min(product, .max / 4))
        }
        switch unit {
        case UInt8(ascii: "H"): return amount(3_600_000_000_000)
        case UInt8(ascii: "M"): return amount(60_000_000_000)
        case UInt8(ascii: "S"): return amount(1_000_000_000)
        case UInt8(ascii: "m"): return amount(1_000_000)
        case UInt8(ascii: "u"): return amount(1_000)
        case UInt8(ascii: "n"): return amount(1)
        default: return nil
        }
    }

    /// The finest unit that holds the amount in eight digits, rounded up.
    static func format(_ amount: TimeAmount) -> String {
        let nanoseconds = max(amount.nanoseconds, 1)
        for (unit, size) in [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)] {
            let value = (nanoseconds - 1) / Int64(size) + 1
            if value <= 99_999_999 { return "\(value)\(unit)" }
        }
        return "99999999H"
    }
}
