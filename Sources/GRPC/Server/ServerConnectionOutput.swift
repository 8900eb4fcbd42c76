import HTTP2
import NIOCore

/// What calls send through their connection; it is written at the end of the turn.
extension ServerConnectionHandler {
    func respond(_ id: StreamID, _ fields: [HeaderField], endStream: Bool) {
        do {
            try session.respond(id, fields, endStream: endStream)
        } catch {
            // nghttp2 refuses for lack of memory, or because the stream ended meanwhile.
            session.reset(id, .internalError)
        }
        scheduleFlush()
    }

    /// Sends a unary call's response: its message, and OK.
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

    /// Returns received bytes to the client's flow-control window.
    func consume(_ id: StreamID, _ bytes: Int) {
        session.consume(id, bytes)
        scheduleFlush()
    }

    func finish(_ id: StreamID, _ trailers: [HeaderField]) {
        session.finish(id, trailers: trailers)
        scheduleFlush()
    }
}
