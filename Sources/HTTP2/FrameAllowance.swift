/// How many frames a peer may send that make work and carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, DATA without
/// content, frames of unknown types, requests that must be refused. Pure.
///
/// A bucket that refills with time, and with what honest peers have to answer by such frames: each request, and each DATA frame that is
/// sent to them. A peer that has spent more than there is in it floods us.
struct FrameAllowance {
    /// What a frame costs that makes us reset a stream or refuse a header section.
    static let offence = 20
    /// What a request earns: the PING, WINDOW_UPDATE and RST_STREAM frames that go with it.
    static let request = 8
    /// What a DATA frame to the peer earns: two WINDOW_UPDATE frames and a PING by which it measures the bandwidth.
    static let content = 3
    /// DATA frames with less earn nothing: windows of one byte are no reading.
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
