import NIOCore

/// Whether a reader takes what waits for it. Pure: time comes in as a value.
///
/// Within each period so much must be taken as waited at its beginning, or `leastBytes`; a window that opens octet by octet is no reading.
struct ReaderWatch {
    /// In a period of 30 s some 2 KiB a second.
    static let leastBytes = 64 << 10

    private struct Period {
        let begin: NIODeadline
        let taken: Int
        let wanted: Int
    }

    private var period: Period?

    /// To be asked about once a second.
    /// - Parameters:
    ///   - waiting: bytes that wait now.
    ///   - taken: bytes that were taken so far, in all.
    /// - Returns: true when less was taken within `timeout` than a reader takes.
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
