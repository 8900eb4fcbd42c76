/// Numbers as people read them, in as few digits as make sense.
enum HumanText {
    /// `1,234,567`
    static func count(_ number: Int64) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + text
    }

    /// `17 B`, `1.5 KiB`, `130 MiB`
    static func bytes(_ number: Int64) -> String {
        var (value, unit) = (Double(number), 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        while value >= 999.5, unit + 1 < units.count {
            value /= 1_024
            unit += 1
        }
        return (unit == 0 ? count(number) : short(value)) + " " + units[unit]
    }

    /// `3.14`, `120`, and `0.000012` where it is that small.
    static func rate(_ number: Double) -> String {
        if number == 0 || number >= 0.01 { return short(number) }
        return number < 0.000_000_5 ? "<0.000001" : fixed(number, digits: 6)
    }

    /// `12.5 %`
    static func share(_ share: Double) -> String {
        share > 0 && share < 0.0005 ? "<0.1 %" : short(share * 100) + " %"
    }

    /// `340 ms`, `12.5 s`, `3m 20s`, `2h 05m`, `4d 03h`; empty for none.
    static func duration(_ duration: Duration?) -> String {
        guard let duration else { return "" }
        let seconds = min(max(duration / .seconds(1), 0), 1e12)
        if seconds < 0.9995 { return fixed(seconds * 1_000, digits: seconds < 0.01 ? 1 : 0) + " ms" }
        if seconds < 59.95 { return short(seconds) + " s" }
        let whole = Int64(seconds.rounded())
        if whole < 3_600 { return "\(whole / 60)m \(padded(whole % 60))s" }
        if whole < 86_400 { return "\(whole / 3_600)h \(padded(whole % 3_600 / 60))m" }
        return "\(count(whole / 86_400))d \(padded(whole % 86_400 / 3_600))h"
    }

    private static func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Three significant digits, without trailing zeros of a fraction.
    private static func short(_ number: Double) -> String { fixed(number, digits: number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2) }

    private static func fixed(_ number: Double, digits: Int) -> String {
        // A server may send numbers that an Int64 cannot hold.
        guard number.magnitude < 1e12 else { return "\(number)" }
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((number * Double(scale)).rounded())
        let rest = String(scaled % scale + scale).dropFirst()
        let text = count(scaled / scale) + (digits == 0 ? "" : "." + rest)
        return digits == 0 ? text : String(text.trimmingZeros)
    }
}

extension String {
    /// Without the trailing zeros of a fraction, and without its point when nothing is left.
    fileprivate var trimmingZeros: Substring {
        var text = self[...]
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }
}
