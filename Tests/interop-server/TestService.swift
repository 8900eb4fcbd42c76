import GRPC
import InteropMessages
import NIOCore

/// `grpc.testing.TestService` (interop-test-descriptions.md): the methods that the cases call.
enum TestService {
    private static let name = "grpc.testing.TestService"
    private static let echoInitial = "x-grpc-test-echo-initial"
    private static let echoTrailing = "x-grpc-test-echo-trailing-bin"

    static let routes = [
        Route(service: name, method: "EmptyCall", .unary { _, call in call.respond(FramedMessage(ByteBuffer())) }),
        Route(service: name, method: "UnaryCall", .unary(unaryCall)),
        Route(service: name, method: "CacheableUnaryCall", .unary(unaryCall)),
        Route(service: name, method: "StreamingInputCall", .streaming(.clientStreaming, streamingInputCall)),
        Route(service: name, method: "StreamingOutputCall", .streaming(.serverStreaming, fullDuplexCall)),
        Route(service: name, method: "FullDuplexCall", .streaming(.bidirectional, fullDuplexCall)),
        Route(service: name, method: "HalfDuplexCall", .streaming(.bidirectional, halfDuplexCall)),
    ]

    @Sendable private static func unaryCall(_ message: ByteBuffer, _ call: ServerCall) {
        do {
            let request = try WireFields(message.readableBytesView)
            echoMetadata(call)
            if let status = try status(request) { return call.finish(status) }
            try check(request.bool(8), call.wasRequestCompressed)
            if try request.bool(6) == true { call.offerCompression() }
            call.respond(response(payload: request.int32(2)))
        } catch {
            call.finish(failure(error))
        }
    }

    @Sendable private static func streamingInputCall(_ requests: MessageStream, _ call: ServerCall) async throws {
        echoMetadata(call)
        var size = 0
        var iterator = requests.makeAsyncIterator()
        while let message = try await iterator.next() {
            let request = try fields(message)
            try check(request.bool(2), iterator.wasCompressed)
            size += try request.message(1)?.bytes(2)?.count ?? 0
        }
        var response = WireBytes()
        response.add(1, size)
        try await call.send(FramedMessage(ByteBuffer(bytes: response.bytes)))
    }

    @Sendable private static func fullDuplexCall(_ requests: MessageStream, _ call: ServerCall) async throws {
        echoMetadata(call)
        for try await message in requests { try await respond(try fields(message), call) }
    }

    /// Answers once all requests have come.
    @Sendable private static func halfDuplexCall(_ requests: MessageStream, _ call: ServerCall) async throws {
        var all: [WireFields] = []
        for try await message in requests { all.append(try fields(message)) }
        for request in all { try await respond(request, call) }
    }

    private static func respond(_ request: WireFields, _ call: ServerCall) async throws {
        if let status = try status(request) { throw status }
        let parameters = try request.messages(2)
        if try parameters.contains(where: { try $0.bool(3) == true }) { call.offerCompression() }
        for parameter in parameters {
            let pause = parameter.int32(2)
            if pause > 0 { try await Task.sleep(for: .microseconds(pause)) }
            try await call.send(response(payload: parameter.int32(1)), compresses: try parameter.bool(3) ?? false)
        }
    }

    // MARK: Parts

    private static func fields(_ message: ByteBuffer) throws -> WireFields { try WireFields(message.readableBytesView) }

    /// `SimpleResponse` or `StreamingOutputCallResponse`: both have a payload under 1.
    private static func response(payload size: Int) -> FramedMessage {
        var (payload, response) = (WireBytes(), WireBytes())
        payload.add(2, [UInt8](repeating: 0, count: max(0, min(size, 16 << 20))))
        response.add(1, payload.bytes)
        return FramedMessage(ByteBuffer(bytes: response.bytes))
    }

    /// `EchoStatus`: the status that the client asks for.
    private static func status(_ request: WireFields) throws -> Status? {
        guard let wanted = try request.message(7), let code = StatusCode(rawValue: wanted.int32(1)), code != .ok else { return nil }
        return Status(code, String(decoding: wanted.bytes(2) ?? [], as: UTF8.self))
    }

    /// "If expect_compressed is true and the request was not compressed, the server must fail the call with INVALID_ARGUMENT."
    private static func check(_ expected: Bool?, _ isCompressed: Bool) throws {
        guard let expected, expected != isCompressed else { return }
        throw Status(.invalidArgument, expected ? "the message is not compressed" : "the message is compressed")
    }

    private static func echoMetadata(_ call: ServerCall) {
        var (initial, trailing) = (Metadata(), Metadata())
        if let value = call.metadata[echoInitial] { initial.append(echoInitial, value) }
        if let value = call.metadata.bytes(echoTrailing) { trailing.append(echoTrailing, bytes: value) }
        if initial != Metadata() || trailing != Metadata() { call.addMetadata(initial, trailing: trailing) }
    }

    private static func failure(_ error: any Error) -> Status {
        error as? Status ?? Status(.invalidArgument, "the request is not a message")
    }
}
