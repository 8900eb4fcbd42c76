/// Limits the frames of a peer that cause work and carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, DATA without
/// content, frames of unknown types, requests that must be refused. Pure.
///
/// A token bucket. It refills over time, and with what honest peers answer by such frames: each request, and each DATA frame that is sent
/// to them. A peer that overdraws it floods us.
struct FrameAllowance {
    /// Cost of a frame that makes us reset a stream or refuse a header section.
    static let offence = 20
    /// Earned by a request: the PING, WINDOW_UPDATE and RST_STREAM frames that accompany it.
    static let request = 8
    /// Earned by a DATA frame to the peer: two WINDOW_UPDATE frames, and a PING by which it measures the bandwidth.
    static let content = 3
    /// Smaller DATA frames earn nothing: a peer that opens windows of one byte does not read.
    static let leastContent = 64

    private let burst: Int
    private let perSecond: Int
    private var left: Int

    init(burst: Int, perSecond: Int) {
        self.burst = burst
        self.perSecond = perSecond
        left = burst
    }

    var isExceeded: Bool { left < 0 }

    mutating func spend(_ cost: Int = 1) { left -= cost }
    mutating func earn(_ amount: Int) { left = min(left + amount, burst) }
    mutating func secondPassed() { earn(perSecond) }
}
