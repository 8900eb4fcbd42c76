import Glibc

/// When the calls of one connection are made, and which of them count. Times are nanoseconds of the monotonic clock.
struct Schedule: Sendable {
    /// Calls due at even intervals; the connections take turns.
    struct Pace: Sendable {
        let rate: Double
        let connection: Int
        let connections: Int

        /// Nanoseconds from the start until call number `index` of this connection is due.
        func offset(_ index: Int) -> Int64 { Int64(Double(index * connections + connection) * 1e9 / rate) }
    }

    let start: Int64
    /// The end of the warm-up: calls that are due from here on count.
    let measureFrom: Int64
    /// Calls that would be due from here on are not made.
    let end: Int64
    /// Calls in flight on this connection.
    let slots: Int
    /// Nil: a closed loop.
    let pace: Pace?

    /// How long to wait for an answer.
    static let patience: Int64 = 30_000_000_000

    /// When call number `index` of an open loop is due.
    func due(_ index: Int, _ pace: Pace) -> Int64 { start + pace.offset(index) }

    /// Calls from number `index` on that count but are not made.
    func unsent(from index: Int, _ pace: Pace) -> Int {
        var count = 0
        var index = index
        while case let due = due(index, pace), due < end {
            if due >= measureFrom { count += 1 }
            index += 1
        }
        return count
    }
}

/// Nanoseconds of the monotonic clock.
func monotonicNow() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
