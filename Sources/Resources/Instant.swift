import Glibc

/// A moment of the clock that only runs forward, as `NIODeadline` has it: nanoseconds since the machine started, without the time that it
/// slept. Arithmetic stops at the ends of the range.
///
/// Not `ContinuousClock.Instant`: its layout is not fixed, so whatever contains one is laid out and copied by tables at run time, and on the
/// way of a call nearly everything contains a deadline.
package struct Instant: Sendable, Hashable, Comparable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    package static func + (instant: Instant, duration: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return Instant(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    package static func - (instant: Instant, duration: Duration) -> Instant { instant.less(duration.wholeNanoseconds) }

    package static func - (end: Instant, start: Instant) -> Duration { .nanoseconds(end.less(start.nanoseconds).nanoseconds) }

    private func less(_ other: Int64) -> Instant {
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(other)
        return Instant(nanoseconds: overflow ? (other > 0 ? .min : .max) : difference)
    }

    package static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }

    package func duration(to end: Instant) -> Duration { end - self }
    package func advanced(by duration: Duration) -> Instant { self + duration }
}

extension Duration {
    /// Rounded towards zero, and to the ends of the range.
    fileprivate var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowed) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || overflowed ? (seconds < 0 ? .min : .max) : sum
    }
}
