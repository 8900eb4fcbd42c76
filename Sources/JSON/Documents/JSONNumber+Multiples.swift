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
