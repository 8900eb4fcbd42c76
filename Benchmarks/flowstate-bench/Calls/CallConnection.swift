import HTTP2
import NIOCore

/// The calls of one connection over HTTP/2, without its socket: the only user of `HTTP2Session`.
final class CallConnection {
    enum Failure: Error, CustomStringConvertible {
        case closing, over

        var description: String {
            switch self {
            case .closing: "the server takes no more calls on this connection"
            case .over: "the HTTP/2 session is over: the server is closing, or sent what HTTP/2 does not allow"
            }
        }
    }

    /// A call that waits for its answer.
    private final class Open {
        let call: Call
        /// The result that the trailers give; nil until they arrive.
        var result: AnswerResult?
        /// The content, if the call wants it, and whether there was any.
        var message: ByteBuffer?
        var hasContent = false

        init(_ call: Call) { self.call = call }
    }

    /// gRPC over HTTP/2, Length-Prefixed-Message: one byte "not compressed", four of length.
    static let prefixBytes = 5

    /// Bytes to send.
    var output = ByteBuffer()
    private let session: HTTP2Session
    /// Request headers by method.
    private let headers: [StaticHeaders]
    private let open = StreamTable<Open>()
    private var isClosing = false

    init(authority: String, tenant: String) throws(HTTP2Error) {
        var settings = HTTP2Settings()
        settings.connectionWindow = 64 << 20
        session = try HTTP2Session(role: .client, settings: settings)
        // Never freed, but made only once per connection.
        headers = Method.allCases.map { method in
            StaticHeaders([
                HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", method.path),
                HeaderField(":authority", authority), HeaderField("te", "trailers"),
                HeaderField("content-type", "application/grpc"), HeaderField("user-agent", "flowstate-bench"),
                HeaderField("flowstate-tenant", tenant), HeaderField("flowstate-actor", "flowstate-bench"),
            ])
        }
    }

    /// Calls beyond those that the server allows at once wait in the session.
    func start(_ call: Call, _ draft: Draft) throws {
        guard !isClosing else { throw Failure.closing }
        let id = try session.request(headers[draft.method.rawValue], endStream: false)
        open.insert(id, Open(call))
        var head = ByteBufferAllocator().buffer(capacity: Self.prefixBytes + draft.fields.readableBytes)
        head.writeMultipleIntegers(UInt8(0), UInt32(draft.fields.readableBytes + draft.body.readableBytes))
        head.writeImmutableBuffer(draft.fields)
        session.send(id, .buffer(head))
        session.send(id, .buffer(draft.body))
        session.finish(id)
    }

    /// Adds the frames to send to `output`, until it has about `limit` bytes.
    func fillOutput(limit: Int) throws {
        let room = limit - output.readableBytes
        if room > 0 { _ = try session.takeOutput(into: &output, limit: room) }
        // nghttp2 answers a protocol error with GOAWAY, and does not report it; waiting for answers would be in vain.
        if output.readableBytes == 0, !session.isAlive { throw Failure.over }
    }

    /// Takes bytes from the socket; calls that ended are added to `answers`.
    func receive(_ bytes: ByteBuffer, _ answers: inout [Answer]) throws(HTTP2Error) {
        defer { session.forEachEvent { handle($0, &answers) } }
        try session.receive(bytes)
    }

    /// The connection is lost: ends all calls.
    func close(_ refusal: Refusal, _ answers: inout [Answer]) {
        isClosing = true
        for call in open.values { answers.append(Answer(call: call.call, result: .refused(refusal))) }
        open.removeAll()
    }

    // MARK: Events

    private func handle(_ event: HTTP2Event, _ answers: inout [Answer]) {
        switch event {
        case .headers(let id, let fields, endStream: true), .trailers(let id, let fields):
            open[id]?.result = result(fields)
        case .data(let id, let bytes):
            session.consume(id, bytes.readableBytes)
            guard let call = open[id], bytes.readableBytes > 0 else { return }
            call.hasContent = true
            guard call.call.wantsMessage else { return }
            // The slice as it is: most messages are one piece, and are read before more arrives.
            if call.message == nil { call.message = bytes } else { call.message?.writeImmutableBuffer(bytes) }
        case .closed(let id, let code):
            guard let call = open.remove(id) else { return }
            answers.append(Answer(call: call.call, result: end(call, code), message: call.message))
        case .goAway: isClosing = true
        case .headers, .headersTooLarge, .endStream, .writable, .pingAcknowledged, .settings: break
        }
    }

    /// The result that the last section of an answer gives.
    private func result(_ fields: [HeaderField]) -> AnswerResult {
        func value(_ name: String) -> String? { fields.first { $0.name == name }?.value }
        guard let code = value("grpc-status") else {
            return .refused(Refusal("NO_STATUS", "the answer has no gRPC status, but HTTP's \(value(":status") ?? "none")"))
        }
        if code == "0" { return .ok }
        return .refused(Refusal(code: code, message: value("grpc-message"), details: value("grpc-status-details-bin")))
    }

    /// The result of a call whose stream is closed.
    private func end(_ call: Open, _ code: HTTP2ErrorCode) -> AnswerResult {
        switch call.result {
        case .ok?: call.hasContent ? .ok : .refused(Refusal("NO_MESSAGE", "the answer has no message"))
        case let refused?: refused
        case nil where isClosing: .refused(Refusal("UNAVAILABLE", "the server is closing"))
        case nil where code == .noError: .refused(Refusal("NO_STATUS", "the answer has no gRPC status"))
        case nil: .refused(Refusal("RST_STREAM", "the server reset the call with HTTP/2 error \(code.rawValue)"))
        }
    }
}
