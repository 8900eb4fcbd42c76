/// What a session announces and enforces. Sizes are bytes.
package struct HTTP2Settings: Sendable {
    /// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2): streams the peer may have open at once.
    package var maxConcurrentStreams = 1_000
    /// SETTINGS_INITIAL_WINDOW_SIZE: what a peer may send on one stream before we take it.
    package var streamWindow = 1 << 20
    /// The connection's receive window (§6.9.1), shared by all its streams.
    package var connectionWindow = 16 << 20
    /// SETTINGS_MAX_HEADER_LIST_SIZE: a larger header section is reported, not kept.
    package var headerListBytes = 16 << 10
    /// SETTINGS_MAX_FRAME_SIZE: the largest payload a peer may put into one frame.
    package var frameBytes = 64 << 10
    /// RST_STREAM frames a peer may send: a burst, then so many a second (CVE-2023-44487).
    package var resetBurst = 2_000
    package var resetsPerSecond = 200
    /// Frames without content that a peer may send beyond those that answer ours: a burst, then so many a second. See `FrameAllowance`.
    package var controlFrameBurst = 10_000
    package var controlFramesPerSecond = 1_000
    /// PING frames that a client may send while nothing else is sent to it, ten times as many at once.
    package var pingsPerMinute = 60

    package init() {}
}
