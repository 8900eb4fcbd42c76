/// Numbers as spelled in a checked JSON text, of any length and size.
package enum JSONNumber {
    /// The nearest double; infinite beyond its range.
    static func double(_ text: ArraySlice<UInt8>) -> Double {
        Double(String(decoding: text, as: UTF8.self)) ?? .nan
    }

    /// Whether two spellings denote one number, as `1`, `1.0` and `10e-1` do, however many digits they have.
    static func areEqual(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Bool {
        one.elementsEqual(other) || Decimal(one) == Decimal(other)
    }

    /// Whether the first is the smaller number, exactly.
    package static func isLess(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Bool {
        let (one, other) = (Decimal(one), Decimal(other))
        if one.isNegative != other.isNegative { return one.isNegative }
        return one.isNegative ? other.isSmaller(than: one) : one.isSmaller(than: other)
    }

    /// The same for all spellings of one number.
    static func hash(_ text: ArraySlice<UInt8>, into hasher: inout Hasher) {
        guard let digit = text.first, text.count == 1 || text.allSatisfy(isDigit) else { return hasher.combine(Decimal(text)) }
        // Most numbers have digits only, and a large text has millions of them: hashed without a copy.
        let isZero = digit == UInt8(ascii: "0")
        let zeros = text.reversed().prefix { $0 == UInt8(ascii: "0") }.count
        Decimal.hash(isNegative: false, digits: text.dropLast(zeros), exponent: isZero ? 0 : text.count, into: &hasher)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// 0.d₁d₂d₃… × 10^exponent, with neither leading nor trailing zeros among the digits.
    struct Decimal: Hashable {
        var isNegative = false
        var digits: [UInt8] = []
        /// nil: the exponent does not fit an `Int`; then only the same spelling is the same number.
        var exponent: Int? = 0
        var spelledExponent: [UInt8] = []

        init(_ text: ArraySlice<UInt8>) {
            isNegative = text.first == UInt8(ascii: "-")
            let unsigned = isNegative ? text.dropFirst() : text
            let mark = unsigned.firstIndex { $0 | 0x20 == UInt8(ascii: "e") } ?? unsigned.endIndex
            let mantissa = unsigned[..<mark]
            let point = mantissa.firstIndex(of: UInt8(ascii: ".")) ?? mantissa.endIndex
            let whole = mantissa[..<point]
            digits = Array(whole) + mantissa[point...].dropFirst()
            var places = whole.count
            let zeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
            digits.removeFirst(zeros)
            places -= zeros
            while digits.last == UInt8(ascii: "0") { digits.removeLast() }
            if digits.isEmpty {  // 0, -0.0 and 0e9 are one number
                isNegative = false
                return
            }
            let spelled = unsigned[mark...].dropFirst()
            let shift = spelled.isEmpty ? 0 : Int(String(decoding: spelled, as: UTF8.self))
            exponent = shift.flatMap { shift in
                let (sum, overflows) = shift.addingReportingOverflow(places)
                return overflows ? nil : sum
            }
            if exponent == nil { spelledExponent = Array(text) }
        }

        /// Compares absolute values. An exponent that does not fit an `Int` counts as the largest or the smallest, by its sign.
        func isSmaller(than other: Decimal) -> Bool {
            if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
            let (own, others) = (magnitude, other.magnitude)
            return own == others ? digits.lexicographicallyPrecedes(other.digits) : own < others
        }

        /// The exponent, clamped to `Int`'s range.
        var magnitude: Int {
            if let exponent { return exponent }
            let mark = spelledExponent.firstIndex { $0 | 0x20 == UInt8(ascii: "e") } ?? spelledExponent.startIndex
            return spelledExponent[mark...].dropFirst().first == UInt8(ascii: "-") ? .min : .max
        }

        func hash(into hasher: inout Hasher) {
            Self.hash(isNegative: isNegative, digits: digits[...], exponent: exponent, into: &hasher)
        }

        static func hash(isNegative: Bool, digits: ArraySlice<UInt8>, exponent: Int?, into hasher: inout Hasher) {
            hasher.combine(isNegative)
            digits.withUnsafeBytes { hasher.combine(bytes: $0) }
            hasher.combine(exponent)
        }
    }
}
