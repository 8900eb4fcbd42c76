import HTTP2
import NIOCore

/// The calls of one connection in HTTP/2, without its socket: the only place that knows `HTTP2Session`.
final class CallConnection {
    private struct Open {
        let call: Call
        var message = ByteBuffer()
        var refusal: Refusal?
        var isOK = false
    }

    /// From this size on a body is sent as it lies in memory; copying a smaller one costs less than a second buffer.
    private static let copied = 16 << 10
    /// gRPC over HTTP/2, Length-Prefixed-Message: one byte "not compressed", four of length.
    private static let prefixBytes = 5

    private let session: HTTP2Session
    private let headers: [[HeaderField]]
    private var open: [StreamID: Open] = [:]
    /// The server takes no more calls.
    private(set) var isClosing = false

    var callsInFlight: Int { open.count }

    init(authority: String, tenant: String) throws {
        var settings = HTTP2Settings()
        settings.connectionWindow = 64 << 20
        session = try HTTP2Session(role: .client, settings: settings)
        headers = Method.allCases.map { method in
            [
                HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", method.path),
                HeaderField(":authority", authority), HeaderField("te", "trailers"),
                HeaderField("content-type", "application/grpc"), HeaderField("user-agent", "flowstate-bench"),
                HeaderField("flowstate-tenant", tenant), HeaderField("flowstate-actor", "flowstate-bench"),
            ]
        }
    }

    func start(_ call: Call, _ draft: Draft) throws {
        let id = try session.request(headers[draft.method.rawValue], endStream: false)
        open[id] = Open(call: call)
        let size = draft.fields.readableBytes + draft.body.readableBytes
        let isShort = size <= Self.copied
        var buffer = ByteBufferAllocator().buffer(capacity: Self.prefixBytes + (isShort ? size : draft.fields.readableBytes))
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(size))
        buffer.writeImmutableBuffer(draft.fields)
        if isShort { buffer.writeImmutableBuffer(draft.body) }
        session.send(id, buffer)
        if !isShort { session.send(id, draft.body) }
        session.finish(id)
    }

    /// Takes what the socket gave; calls that ended are added to `answers`.
    func receive(_ bytes: ByteBuffer, _ answers: inout [Answer]) throws {
        defer { handleEvents(&answers) }
        try session.receive(bytes)
    }

    /// Appends what is due, up to about `limit` bytes; true when there may be more.
    func takeOutput(into buffer: inout ByteBuffer, limit: Int) throws -> Bool {
        try session.takeOutput(into: &buffer, limit: limit)
    }

    /// The connection is lost: ends all calls.
    func close(_ refusal: Refusal, _ answers: inout [Answer]) {
        isClosing = true
        for call in open.values { answers.append(Answer(call: call.call, result: .refused(refusal))) }
        open = [:]
    }

    private func handleEvents(_ answers: inout [Answer]) {
        for event in session.takeEvents() {
            switch event {
            case .headers(let id, let fields, endStream: true), .trailers(let id, let fields): ended(id, fields)
            case .data(let id, let bytes):
                session.consume(id, bytes.readableBytes)
                if open[id]?.call.wantsMessage == true { open[id]?.message.writeImmutableBuffer(bytes) }
            case .closed(let id, let code):
                guard let call = open.removeValue(forKey: id) else { continue }
                let result: AnswerResult =
                    if let refusal = call.refusal { .refused(refusal) } else if call.isOK { .ok } else {
                        .refused(Refusal("NO_STATUS", "the server ended the call without a status (HTTP/2 error \(code.rawValue))"))
                    }
                var message = call.message
                message.moveReaderIndex(forwardBy: min(Self.prefixBytes, message.readableBytes))
                answers.append(Answer(call: call.call, result: result, message: message))
            case .goAway: isClosing = true
            case .headers, .headersTooLarge, .endStream, .writable, .pingAcknowledged, .settings: break
            }
        }
    }

    private func ended(_ id: StreamID, _ fields: [HeaderField]) {
        func value(_ name: String) -> String? { fields.first { $0.name == name }?.value }
        let code = value("grpc-status")
        if code == "0" {
            open[id]?.isOK = true
        } else {
            open[id]?.refusal = Refusal(code: code, message: value("grpc-message"), details: value("grpc-status-details-bin"))
        }
    }
}
