import FlowModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Generates ids for flows and checkpoints that come without one: UUIDv7 from the system's clock and random numbers.
package enum IDGenerator {
    package static func next() -> String {
        let nanoseconds = UInt64(clamping: SystemClock.nanoseconds)
        var random = SystemRandomNumberGenerator()
        return UUIDv7.text(nanoseconds: nanoseconds, random: random.next())
    }
}

/// The system's time of day.
enum SystemClock {
    /// Since 1970-01-01 00:00 UTC.
    static var nanoseconds: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(clamping: now.tv_sec) &* 1_000_000_000 &+ Int64(clamping: now.tv_nsec)
    }

    static var now: Timestamp { Timestamp(microseconds: nanoseconds / 1_000) }
}
