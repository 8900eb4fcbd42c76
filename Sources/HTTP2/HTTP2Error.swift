/// An error code of RFC 9113 §7. Only those used here have names; peers may send others.
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

/// Why a session cannot continue. Its owner sends what `takeOutput` still returns (usually a GOAWAY) and closes the connection.
public enum HTTP2Error: Error, Sendable, Equatable {
    /// The first bytes are not the client connection preface (RFC 9113 §3.4): another protocol.
    case notHTTP2
    /// The peer floods us with frames that carry nothing, or makes us reset one stream after the other.
    case flooded
    /// The session has no stream identifiers left, or the peer has sent GOAWAY: open another connection.
    case noMoreStreams
    /// nghttp2 failed; `message` is its own text.
    case session(message: String)
}
