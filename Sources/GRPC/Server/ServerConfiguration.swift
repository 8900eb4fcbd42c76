import HTTP2
import NIOCore
import Resources

/// What a server grants its clients. Sizes are bytes.
package struct ServerConfiguration: Sendable {
    package var http2 = HTTP2Settings()
    /// What the process may take for requests, shared by all who serve them.
    package var memory = MemoryBudget(limit: 256 << 20)
    /// Where large memory goes that nobody needs any more.
    package var disposal = Disposal()
    /// What a call is answered that finds no memory: nothing was done for it.
    package var overloaded = Status(.resourceExhausted, "the server is overloaded: try again later")
    /// What a call is answered whose answer finds no memory: it was carried out.
    package var answerOverloaded = Status(
        .resourceExhausted, "the call was carried out, but there is no memory for its answer: try again later")
    /// The largest request message.
    package var messageBytes = 16 << 20
    /// Requests being received, of all calls of one connection together.
    package var bufferedBytesPerConnection = 64 << 20
    /// Replies that wait for a slow reader, of all calls of one connection together; beyond it new calls
    /// and further replies become RESOURCE_EXHAUSTED.
    package var outboundBytesPerConnection = 64 << 20
    /// The deadline of a unary call that brings none, and the longest that one may bring.
    package var defaultTimeout = TimeAmount.seconds(30)
    package var maximumTimeout = TimeAmount.minutes(10)
    /// The request of a call that takes one message must have arrived whole by then, of any other call the first message.
    package var requestTimeout = TimeAmount.seconds(60)
    /// An answer of which the client takes (nearly) nothing for so long is given up, and a connection that takes nothing at all closed.
    package var readerTimeout = TimeAmount.seconds(30)
    /// Open connections of the server; one more is closed at once.
    package var maxConnections = 10_000
    /// Open connections of one address.
    package var maxConnectionsPerPeer = 10_000
    /// A connection without calls is closed after this long, and a stream ended whose client neither sends nor reads.
    package var idleTimeout = TimeAmount.minutes(30)
    /// A client must have said its HTTP/2 preface by then, and may take so long for a header section.
    package var handshakeTimeout = TimeAmount.seconds(10)
    /// A silent connection with calls is asked for a sign of life after this long, and closed when none
    /// comes for `keepaliveTimeout`.
    package var keepaliveInterval = TimeAmount.minutes(2)
    package var keepaliveTimeout = TimeAmount.seconds(20)
    /// After so long, give or take a tenth, a connection takes no new calls, so that its client opens another one. Nil: never.
    package var connectionAge: TimeAmount?
    /// What calls that are under way then may take.
    package var connectionAgeGrace = TimeAmount.minutes(5)
    /// Told how long event loops are busy.
    package var eventLoopWatch: EventLoopWatch?
    /// Hears of every call.
    package var observer: (any CallObserver)?
    /// Gives the service's details to a status that the transport made by itself: an unknown method, a message too large, a deadline that
    /// passed. Called on event loops.
    package var completed: @Sendable (Status) -> Status = { $0 }

    package init() {}
}
