/// An error code of RFC 9113 §7: those that are used here; peers may send others.
public struct HTTP2ErrorCode: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let noError = Self(rawValue: 0x0)
    public static let protocolError = Self(rawValue: 0x1)
    public static let internalError = Self(rawValue: 0x2)
    public static let flowControlError = Self(rawValue: 0x3)
    public static let streamClosed = Self(rawValue: 0x5)
    public static let frameSizeError = Self(rawValue: 0x6)
    public static let refusedStream = Self(rawValue: 0x7)
    public static let cancel = Self(rawValue: 0x8)
    public static let enhanceYourCalm = Self(rawValue: 0xb)
}

/// Why a session cannot go on. Whoever gets one sends what `takeOutput` still gives (a GOAWAY, as a
/// rule) and closes the connection.
public enum HTTP2Error: Error, Sendable, Equatable {
    /// The first bytes are not the client connection preface (RFC 9113 §3.4): another protocol.
    case notHTTP2
    /// The peer floods us with frames that carry nothing, or makes us reset stream after stream.
    case flooded
    /// The session has no stream identifiers left, or the peer has sent GOAWAY: open another connection.
    case noMoreStreams
    /// nghttp2 gave up; `message` is its own word.
    case session(message: String)
}
