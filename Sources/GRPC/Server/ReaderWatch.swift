import NIOCore

/// Whether a reader takes what waits for it. Pure: time comes in as a value.
///
/// Within each period the reader must take what waited at its beginning, or `leastBytes` of it: opening the window octet by octet does not
/// count as reading.
struct ReaderWatch {
    /// About 2 KiB a second in a period of 30 s.
    static let leastBytes = 64 << 10

    private struct Period {
        let begin: NIODeadline
        let taken: Int
        let wanted: Int
    }

    private var period: Period?

    /// Called about once a second.
    /// - Parameters:
    ///   - waiting: bytes that wait now.
    ///   - taken: bytes that were taken so far, in all.
    /// - Returns: true when the reader took less than it must within `timeout`.
    mutating func isStalled(waiting: Int, taken: Int, now: NIODeadline, timeout: TimeAmount) -> Bool {
        guard waiting > 0 else {
            period = nil
            return false
        }
        guard let period, taken - period.taken < period.wanted else {
            period = Period(begin: now, taken: taken, wanted: min(waiting, Self.leastBytes))
            return false
        }
        return now - period.begin >= timeout
    }
}
