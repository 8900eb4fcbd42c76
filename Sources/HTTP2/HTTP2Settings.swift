/// What a session announces and enforces. Sizes are bytes.
public struct HTTP2Settings: Sendable {
    /// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2): streams the peer may have open at once.
    public var maxConcurrentStreams = 1_000
    /// SETTINGS_INITIAL_WINDOW_SIZE: what a peer may send on one stream before we take it.
    public var streamWindow = 1 << 20
    /// The connection's receive window (§6.9.1), shared by all its streams.
    public var connectionWindow = 16 << 20
    /// SETTINGS_MAX_HEADER_LIST_SIZE: a larger header section is reported, not kept.
    public var headerListBytes = 16 << 10
    /// SETTINGS_MAX_FRAME_SIZE: the largest payload a peer may put into one frame.
    public var frameBytes = 64 << 10
    /// RST_STREAM frames a peer may send: a burst, then so many a second (CVE-2023-44487).
    public var resetBurst: UInt64 = 2_000
    public var resetsPerSecond: UInt64 = 200
    /// Frames without content that a peer may send beyond those that answer ours: a burst, then so many a second. See `FrameAllowance`.
    public var controlFrameBurst = 10_000
    public var controlFramesPerSecond = 1_000

    public init() {}
}
