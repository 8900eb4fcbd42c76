import Compression
import HTTP2
import NIOCore
import Resources

/// The limits, timeouts and hooks of a server. Sizes are in bytes.
package struct ServerConfiguration: Sendable {
    package var http2 = HTTP2Settings()
    /// The process's budget for requests, shared by everything that serves them.
    package var memory = MemoryBudget(limit: 256 << 20)
    /// Frees large buffers, on a thread of its own.
    package var disposal = Disposal()
    /// The threads that decompress and compress what takes too long for an event loop.
    package var compute = ComputeScheduler(queueLimit: 1_024)
    /// The encoders and decoders of compressed messages.
    package var codecs = CodecPool()
    /// The status of a call for which there is no memory: nothing was done for it.
    package var overloaded = Status(.resourceExhausted, "the server is overloaded: try again later")
    /// The status of a call for whose response there is no memory: it was carried out.
    package var answerOverloaded = Status(
        .resourceExhausted, "the call was carried out, but there is no memory for its answer: try again later")
    /// The largest request message.
    package var messageBytes = 16 << 20
    /// Bytes of requests being received, of all calls of one connection together.
    package var bufferedBytesPerConnection = 64 << 20
    /// Bytes of responses that wait for a slow reader, of all calls of one connection together; beyond it new calls and further responses
    /// become RESOURCE_EXHAUSTED.
    package var outboundBytesPerConnection = 64 << 20
    /// The timeout of a unary call whose client sets none, and the longest that a client may set.
    package var defaultTimeout = TimeAmount.seconds(30)
    package var maximumTimeout = TimeAmount.minutes(10)
    /// How long the request of a call that takes one message may take to arrive as a whole, or the first message of any other call.
    package var requestTimeout = TimeAmount.seconds(60)
    /// A response of which the client reads (nearly) nothing for so long is reset, and a connection whose client reads nothing at all is
    /// closed.
    package var readerTimeout = TimeAmount.seconds(30)
    /// Open connections of the server; one more is closed at once.
    package var maxConnections = 10_000
    /// Open connections of one address.
    package var maxConnectionsPerPeer = 8_000
    /// A connection without calls is closed after this long, and a stream is ended whose client neither sends nor reads.
    package var idleTimeout = TimeAmount.minutes(5)
    /// How long a client may take for its HTTP/2 preface, and for a header section.
    package var handshakeTimeout = TimeAmount.seconds(10)
    /// A silent connection with calls is sent a PING after this long, and closed when it is not acknowledged within `keepaliveTimeout`.
    package var keepaliveInterval = TimeAmount.minutes(1)
    package var keepaliveTimeout = TimeAmount.seconds(20)
    /// After so long, give or take a tenth, a connection takes no new calls, so that its client opens another one. Nil: never.
    package var connectionAge: TimeAmount?
    /// How long calls that are under way then may still take.
    package var connectionAgeGrace = TimeAmount.minutes(5)
    /// Measures how long event loops are busy.
    package var eventLoopWatch: EventLoopWatch?
    /// Observes every call.
    package var observer: (any CallObserver)?
    /// Adds the service's error details to a status of the transport's own: an unknown method, a message too large, a deadline that passed.
    /// Called on event loops.
    package var completed: @Sendable (Status) -> Status = { $0 }

    package init() {}
}
