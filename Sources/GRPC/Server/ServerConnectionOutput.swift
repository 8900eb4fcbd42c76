import HTTP2
import NIOCore

/// What calls say through their connection; it goes out at the end of the turn.
extension ServerConnectionHandler {
    /// A connection whose replies pile up unread. It is still read: WINDOW_UPDATE frames must arrive.
    static let slowReader = Status(
        .resourceExhausted, "this connection's reader is too slow: replies pile up unread", refusal: .overloaded)

    /// Whether a reply may still be queued. One is always let through, however large.
    func hasRoom(for bytes: Int) -> Bool {
        session.pendingBytes == 0 || session.pendingBytes + bytes <= configuration.outboundBytesPerConnection
    }

    func respond(_ id: StreamID, _ fields: [HeaderField], endStream: Bool) {
        do {
            try session.respond(id, fields, endStream: endStream)
        } catch {
            // nghttp2 refuses for lack of memory, or because the stream ended meanwhile.
            session.reset(id, .internalError)
        }
        scheduleFlush()
    }

    /// A unary call's answer: its message, and OK.
    func answer(_ id: StreamID, _ message: FramedMessage) {
        do {
            try session.answer(id, ResponseFields.preparedHead, message.buffer, trailers: ResponseFields.okTrailers)
        } catch {
            session.reset(id, .internalError)
        }
        scheduleFlush()
    }

    func reset(_ id: StreamID, _ code: HTTP2ErrorCode) {
        session.reset(id, code)
        scheduleFlush()
    }

    func send(_ id: StreamID, _ bytes: ByteBuffer) {
        session.send(id, bytes)
        scheduleFlush()
    }

    /// Gives received bytes back to the client's window.
    func consume(_ id: StreamID, _ bytes: Int) {
        session.consume(id, bytes)
        scheduleFlush()
    }

    func finish(_ id: StreamID, _ trailers: [HeaderField]) {
        session.finish(id, trailers: trailers)
        scheduleFlush()
    }
}
