/// UUID version 7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits. Ids made one after the other sort by time.
public enum UUIDv7 {
    /// The lower-case text form; a pure function of its arguments.
    ///
    /// - Parameters:
    ///   - milliseconds: since the Unix epoch; the lowest 48 bits are used.
    ///   - random: 12 bits of the first (`rand_a`) and 62 bits of the second (`rand_b`) are used.
    public static func text(milliseconds: UInt64, random: (UInt64, UInt64)) -> String {
        let high = milliseconds << 16 | 0x7000 | random.0 & 0x0FFF
        let low = 0x8000_0000_0000_0000 | random.1 & 0x3FFF_FFFF_FFFF_FFFF
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
