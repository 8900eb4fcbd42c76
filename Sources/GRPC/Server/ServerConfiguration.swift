import HTTP2
import NIOCore

/// What a server grants its clients. Sizes are bytes.
public struct ServerConfiguration: Sendable {
    public var http2 = HTTP2Settings()
    /// The largest request message.
    public var messageBytes = 16 << 20
    /// Requests being received, of all calls of one connection together.
    public var bufferedBytesPerConnection = 64 << 20
    /// Replies that wait for a slow reader, of all calls of one connection together; beyond it new calls
    /// and further replies become RESOURCE_EXHAUSTED.
    public var outboundBytesPerConnection = 64 << 20
    /// The deadline of a unary call that brings none, and the longest that one may bring.
    public var defaultTimeout = TimeAmount.seconds(30)
    public var maximumTimeout = TimeAmount.minutes(10)
    /// A unary call's request must have arrived whole by then.
    public var requestTimeout = TimeAmount.seconds(60)
    /// Open connections of the server; one more is closed at once.
    public var maxConnections = 10_000
    /// A connection without calls is closed after this long.
    public var idleTimeout = TimeAmount.minutes(30)
    /// A client must have said its HTTP/2 preface by then.
    public var handshakeTimeout = TimeAmount.seconds(10)
    /// A silent connection with calls is asked for a sign of life after this long, and closed when none
    /// comes for `keepaliveTimeout`.
    public var keepaliveInterval = TimeAmount.minutes(2)
    public var keepaliveTimeout = TimeAmount.seconds(20)
    /// Gives the service's details to a status that the transport made by itself: an unknown method, a message too large, a deadline that
    /// passed. Called on event loops.
    public var completed: @Sendable (Status) -> Status = { $0 }

    public init() {}
}
