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

extension JSONNumber {
    /// The most digits that a divisor may have, without leading and trailing zeros.
    static let maximumDivisorDigits = 18

    /// Whether it has no fraction: `1.0` and `1e400` have none.
    static func isInteger(_ text: ArraySlice<UInt8>) -> Bool {
        // Most numbers have digits only.
        if !text.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }) { return true }
        let number = Decimal(text)
        return number.digits.isEmpty || number.magnitude >= number.digits.count
    }

    /// Whether `isMultiple` accepts it as a divisor.
    static func isDivisor(_ text: ArraySlice<UInt8>) -> Bool {
        let number = Decimal(text)
        return !number.isNegative && (1...maximumDivisorDigits).contains(number.digits.count) && number.exponent != nil
    }

    /// Whether a number is a multiple, exactly, however many digits it has.
    static func isMultiple(_ text: ArraySlice<UInt8>, of divisor: ArraySlice<UInt8>) -> Bool {
        let (number, divisor) = (Decimal(text), Decimal(divisor))
        guard !number.digits.isEmpty else { return true }
        guard let modulus = UInt64(String(decoding: divisor.digits, as: UTF8.self)), modulus > 0, let scale = divisor.exponent else {
            return false
        }
        // Both are whole numbers, without trailing zeros, times a power of ten; one with the lower power is not a multiple.
        let power = Int128(number.magnitude) - Int128(number.digits.count)
        let shift = power - Int128(scale) + Int128(divisor.digits.count)
        if shift < 0 { return false }
        var rest = number.digits.reduce(UInt64(0)) { product($0, 10, modulus, adding: UInt64($1 - UInt8(ascii: "0"))) }
        // Tens can only cancel twos and fives of the divisor, which has fewer than 64 of either.
        for _ in 0..<min(shift, 64) { rest = product(rest, 10, modulus) }
        return rest == 0
    }

    /// `(one × other + summand) mod modulus`, where `one` is below the modulus.
    private static func product(_ one: UInt64, _ other: UInt64, _ modulus: UInt64, adding summand: UInt64 = 0) -> UInt64 {
        let product = one.multipliedFullWidth(by: other)
        let (low, carries) = product.low.addingReportingOverflow(summand)
        return modulus.dividingFullWidth((product.high + (carries ? 1 : 0), low)).remainder
    }
}
