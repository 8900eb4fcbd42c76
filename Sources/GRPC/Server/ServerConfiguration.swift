import HTTP2
import NIOCore

/// What a server grants its clients. Sizes are bytes.
public struct ServerConfiguration: Sendable {
    public var http2 = HTTP2Settings()
    /// The largest request message.
    public var messageBytes = 16 << 20
    /// Requests being received, of all calls of one connection together.
    public var bufferedBytesPerConnection = 64 << 20
    /// Replies that wait for a slow reader, of all calls of one connection together: at a sixteenth of
    /// it the connection takes no new requests; beyond it a reply becomes RESOURCE_EXHAUSTED.
    public var outboundBytesPerConnection = 64 << 20
    /// The deadline of a unary call that brings none.
    public var defaultTimeout = TimeAmount.seconds(30)
    /// A connection without calls is closed after this long.
    public var idleTimeout = TimeAmount.minutes(30)
    /// A client must have said its HTTP/2 preface by then.
    public var handshakeTimeout = TimeAmount.seconds(10)
    /// A silent connection with calls is asked for a sign of life after this long, and closed when none
    /// comes for `keepaliveTimeout`.
    public var keepaliveInterval = TimeAmount.minutes(2)
    public var keepaliveTimeout = TimeAmount.seconds(20)

    public init() {}
}
