import FlowModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Makes ids for flows and checkpoints that come without one: UUIDv7 of the system's clock and random numbers.
public enum IDGenerator {
    public static func next() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let nanoseconds = UInt64(clamping: now.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: now.tv_nsec)
        var random = SystemRandomNumberGenerator()
        return UUIDv7.text(nanoseconds: nanoseconds, random: random.next())
    }
}
