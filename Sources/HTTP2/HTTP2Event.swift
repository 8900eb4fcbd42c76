import NIOCore

/// What the peer did, in the order in which it arrived.
package enum HTTP2Event: Sendable, Equatable {
    /// A request's or response's header section. `endStream`: nothing follows it.
    case headers(StreamID, [HeaderField], endStream: Bool)
    /// A header section beyond `HTTP2Settings.headerListBytes`, with the fields before the one that did not fit. A section several times as
    /// large resets its stream instead (`HeaderReader`).
    case headersTooLarge(StreamID, [HeaderField])
    /// A piece of content. Return its bytes with `consume` once they take no more memory.
    case data(StreamID, ByteBuffer)
    /// The trailer section; it ends the stream.
    case trailers(StreamID, [HeaderField])
    /// The peer ended its side of the stream without trailers.
    case endStream(StreamID)
    /// The stream is closed: both sides ended (`.noError`), or one reset it. The last event of a stream.
    case closed(StreamID, HTTP2ErrorCode)
    /// The bytes waiting on this stream fell under the low-water mark after `isBlocked` was true.
    case writable(StreamID)
    /// The peer accepts no more streams, and processes none above `lastStreamID` (RFC 9113 §6.8).
    case goAway(lastStreamID: StreamID, HTTP2ErrorCode)
    /// The peer's SETTINGS arrived: its half of the connection preface is complete (RFC 9113 §3.4).
    case settings
    /// The answer to a `ping`.
    case pingAcknowledged
}
