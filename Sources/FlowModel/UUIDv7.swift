/// UUID version 7 (RFC 9562 §5.7): 48 bits of milliseconds, 12 bits of their fraction (§6.2, method 3), then random bits. Ids made one
/// after the other sort by time: the fraction counts quarters of a microsecond, and a call takes longer.
package enum UUIDv7 {
    /// The lower-case text form; a pure function of its arguments.
    ///
    /// - Parameters:
    ///   - nanoseconds: since the Unix epoch; of the milliseconds the lowest 48 bits are used.
    ///   - random: 62 bits are used (`rand_b`).
    package static func text(nanoseconds: UInt64, random: UInt64) -> String {
        let (milliseconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let high = milliseconds << 16 | 0x7000 | (rest << 12) / 1_000_000
        let low = 0x8000_0000_0000_0000 | random & 0x3FFF_FFFF_FFFF_FFFF
        return String(unsafeUninitializedCapacity: 36) { buffer in
            var at = 0
            for nibble in 0..<32 {
                if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
                    buffer[at] = UInt8(ascii: "-")
                    at += 1
                }
                let half = nibble < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (nibble & 15))) & 0xF
                buffer[at] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                at += 1
            }
            return at
        }
    }
}
