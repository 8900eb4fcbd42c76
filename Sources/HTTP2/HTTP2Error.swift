/// An error code of RFC 9113 §7. Only those used here have names; peers may send others.
package struct HTTP2ErrorCode: RawRepresentable, Sendable, Hashable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let noError = Self(rawValue: 0x0)
    package static let protocolError = Self(rawValue: 0x1)
    package static let internalError = Self(rawValue: 0x2)
    package static let flowControlError = Self(rawValue: 0x3)
    package static let streamClosed = Self(rawValue: 0x5)
    package static let frameSizeError = Self(rawValue: 0x6)
    package static let refusedStream = Self(rawValue: 0x7)
    package static let cancel = Self(rawValue: 0x8)
    package static let enhanceYourCalm = Self(rawValue: 0xb)
}

/// Why a session cannot continue. Its owner sends what `takeOutput` still returns (usually a GOAWAY) and closes the connection.
package enum HTTP2Error: Error, Sendable, Equatable {
    /// The first bytes are not the client connection preface (RFC 9113 §3.4): another protocol.
    case notHTTP2
    /// The peer floods us with frames that carry nothing, or makes us reset one stream after the other.
    case flooded
    /// The session has no stream identifiers left, or the peer has sent GOAWAY: open another connection.
    case noMoreStreams
    /// nghttp2 failed; `message` is its own text.
    case session(message: String)
}
