import GRPC
import InteropMessages
import NIOCore

/// The cases, each with a client of its own.
struct Cases {
    /// By the names that they have in interop-test-descriptions.md.
    static let all: [String: @Sendable (Cases) -> () async throws -> Void] = [
        "empty_unary": Cases.emptyUnary, "large_unary": Cases.largeUnary, "client_streaming": Cases.clientStreaming,
        "server_streaming": Cases.serverStreaming, "ping_pong": Cases.pingPong, "empty_stream": Cases.emptyStream,
        "custom_metadata": Cases.customMetadata, "status_code_and_message": Cases.statusCodeAndMessage,
        "special_status_message": Cases.specialStatusMessage, "unimplemented_method": Cases.unimplementedMethod,
        "unimplemented_service": Cases.unimplementedService, "cancel_after_begin": Cases.cancelAfterBegin,
        "cancel_after_first_response": Cases.cancelAfterFirstResponse, "timeout_on_sleeping_server": Cases.timeoutOnSleepingServer,
        "client_compressed_unary": Cases.clientCompressedUnary, "server_compressed_unary": Cases.serverCompressedUnary,
        "client_compressed_streaming": Cases.clientCompressedStreaming, "server_compressed_streaming": Cases.serverCompressedStreaming,
    ]

    static let (requests, replies) = ([27_182, 8, 1_828, 45_904], [31_415, 9, 2_653, 58_979])
    static let (largeRequest, largeReply) = (271_828, 314_159)

    let client: Client
    /// Compresses its requests, and accepts compressed answers.
    let compressing: Client

    init(_ endpoint: Endpoint) {
        client = Client(endpoint: endpoint)
        var configuration = ClientConfiguration()
        configuration.compression = .gzip
        compressing = Client(endpoint: endpoint, configuration: configuration)
    }

    func close() async {
        await client.close()
        await compressing.close()
    }

    // MARK: Calls that succeed

    func emptyUnary() async throws {
        try check(try await unary("EmptyCall", Request()).readableBytes == 0, "the answer is not empty")
    }

    func largeUnary() async throws { try await largeUnary(client, Request(reply: Self.largeReply, payload: Self.largeRequest)) }

    private func largeUnary(_ client: Client, _ request: Request) async throws {
        let body = try payload(try await client.unary(path("UnaryCall"), request.framed, timeout: .seconds(20)))
        try check(body == [UInt8](repeating: 0, count: Self.largeReply), "\(body.count) bytes that are not the zeros asked for")
    }

    func clientStreaming() async throws { try await clientStreaming(client) }

    private func clientStreaming(_ client: Client) async throws {
        let stream = try await open("StreamingInputCall", client)
        for size in Self.requests { try await stream.send(Request(input: size).framed) }
        stream.finish()
        var replies = stream.messages.makeAsyncIterator()
        let size = try await replies.next().map { try WireFields($0.readableBytesView).int32(1) }
        try check(size == Self.requests.reduce(0, +), "an aggregated size of \(size ?? -1)")
        try check(try await replies.next() == nil, "a second answer")
    }

    func serverStreaming() async throws {
        let stream = try await open("StreamingOutputCall")
        try await stream.send(Request(output: Self.replies).framed)
        stream.finish()
        var sizes: [Int] = []
        for try await message in stream.messages { sizes.append(try payload(message).count) }
        try check(sizes == Self.replies, "\(sizes)")
    }

    func pingPong() async throws {
        let stream = try await open("FullDuplexCall")
        var replies = stream.messages.makeAsyncIterator()
        for (request, reply) in zip(Self.requests, Self.replies) {
            try await stream.send(Request(output: [reply], payload: request).framed)
            let size = try await replies.next().map { try payload($0).count }
            try check(size == reply, "\(size ?? -1) bytes instead of \(reply)")
        }
        stream.finish()
        try check(try await replies.next() == nil, "an answer too many")
    }

    func emptyStream() async throws {
        let stream = try await open("FullDuplexCall")
        stream.finish()
        for try await _ in stream.messages { throw Failure("an answer without a request") }
    }

    func customMetadata() async throws {
        let (initial, trailing) = ("x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin")
        let (text, bytes): (String, [UInt8]) = ("test_initial_metadata_value", [0x0A, 0x0B, 0x0A, 0x0B, 0x0A, 0x0B])
        var metadata = Metadata()
        metadata.append(initial, text)
        metadata.append(trailing, bytes: bytes)
        for (method, request) in [
            ("UnaryCall", Request(reply: Self.largeReply, payload: Self.largeRequest)),
            ("FullDuplexCall", Request(output: [Self.largeReply], payload: Self.largeRequest)),
        ] {
            let stream = try await client.stream(path(method), metadata: metadata, timeout: .seconds(20))
            try await stream.send(request.framed)
            stream.finish()
            for try await message in stream.messages { try check(try payload(message).count == Self.largeReply, "another size") }
            try check(stream.initialMetadata[initial] == text, "\(method): no initial metadata")
            try check(stream.trailingMetadata.bytes(trailing) == bytes, "\(method): no trailing metadata")
        }
    }

    // MARK: Calls that fail

    func statusCodeAndMessage() async throws { try await status("test status message") }

    func specialStatusMessage() async throws {
        try await status("\t\ntest with whitespace\r\nand Unicode BMP \u{263A} and non-BMP \u{1F608}\t\n")
    }

    private func status(_ message: String) async throws {
        let request = Request(status: 2, message)
        let unary = try await failure { _ = try await self.unary("UnaryCall", request) }
        try check(unary.code == .unknown && unary.message.utf8.elementsEqual(message.utf8), "unary: \(unary)")
        let stream = try await open("FullDuplexCall")
        try await stream.send(request.framed)
        stream.finish()
        let streamed = try await failure { for try await _ in stream.messages {} }
        try check(streamed.code == .unknown && streamed.message.utf8.elementsEqual(message.utf8), "streaming: \(streamed)")
    }

    func unimplementedMethod() async throws {
        let status = try await failure { _ = try await self.unary("UnimplementedCall", Request()) }
        try check(status.code == .unimplemented, "\(status)")
    }

    func unimplementedService() async throws {
        let status = try await failure {
            _ = try await client.unary("/grpc.testing.UnimplementedService/UnimplementedCall", Request().framed, timeout: .seconds(20))
        }
        try check(status.code == .unimplemented, "\(status)")
    }

    func cancelAfterBegin() async throws {
        let stream = try await open("StreamingInputCall")
        stream.cancel()
        let status = try await failure { for try await _ in stream.messages {} }
        try check(status.code == .cancelled, "\(status)")
    }

    func cancelAfterFirstResponse() async throws {
        let stream = try await open("FullDuplexCall")
        try await stream.send(Request(output: [Self.replies[0]], payload: Self.requests[0]).framed)
        var replies = stream.messages.makeAsyncIterator()
        try check(try await replies.next().map { try payload($0).count } == Self.replies[0], "another size")
        stream.cancel()
        let status: Status
        do {
            _ = try await replies.next()
            throw Failure("the call went on")
        } catch let error as Status {
            status = error
        }
        try check(status.code == .cancelled, "\(status)")
    }

    func timeoutOnSleepingServer() async throws {
        let stream = try await client.stream(path("FullDuplexCall"), timeout: .milliseconds(1))
        // The call may be over before its first message is sent.
        do { try await stream.send(Request(output: [Self.replies[0]], payload: Self.requests[0]).framed) } catch is CancellationError {}
        let status = try await failure { for try await _ in stream.messages {} }
        try check(status.code == .deadlineExceeded, "\(status)")
    }

    // MARK: Compression

    func clientCompressedUnary() async throws {
        let request = Request(reply: Self.largeReply, payload: Self.largeRequest, expectsCompressed: true)
        try await largeUnary(compressing, request)
        try await largeUnary(client, Request(reply: Self.largeReply, payload: Self.largeRequest, expectsCompressed: false))
    }

    func serverCompressedUnary() async throws {
        for isCompressed in [true, false] {
            let stream = try await open("UnaryCall", isCompressed ? compressing : client)
            let request = Request(reply: Self.largeReply, payload: Self.largeRequest, compressed: isCompressed)
            try await stream.send(request.framed)
            stream.finish()
            var replies = stream.messages.makeAsyncIterator()
            let size = try await replies.next().map { try payload($0).count }
            try check(size == Self.largeReply && replies.wasCompressed == isCompressed, "\(size ?? -1) bytes, \(replies.wasCompressed)")
            try check(try await replies.next() == nil, "a second answer")
        }
    }

    func clientCompressedStreaming() async throws { try await clientStreaming(compressing) }

    func serverCompressedStreaming() async throws {
        let sizes = [31_415, 92_653]
        let stream = try await open("StreamingOutputCall", compressing)
        try await stream.send(Request(output: sizes, compressed: [true, false]).framed)
        stream.finish()
        var replies = stream.messages.makeAsyncIterator()
        for (size, isCompressed) in zip(sizes, [true, false]) {
            let found = try await replies.next().map { try payload($0).count }
            try check(found == size && replies.wasCompressed == isCompressed, "\(found ?? -1) bytes, \(replies.wasCompressed)")
        }
        try check(try await replies.next() == nil, "an answer too many")
    }
}

// MARK: Parts

extension Cases {
    private func path(_ method: String) -> String { "/grpc.testing.TestService/" + method }

    private func unary(_ method: String, _ request: Request) async throws -> ByteBuffer {
        try await client.unary(path(method), request.framed, timeout: .seconds(20))
    }

    private func open(_ method: String, _ other: Client? = nil) async throws -> ClientStream {
        try await (other ?? client).stream(path(method), timeout: .seconds(20))
    }

    /// The payload's bytes: `SimpleResponse` and `StreamingOutputCallResponse` have it under 1.
    private func payload(_ message: ByteBuffer) throws -> [UInt8] {
        try WireFields(message.readableBytesView).message(1)?.bytes(2) ?? []
    }

    private func check(_ condition: Bool, _ what: @autoclosure () -> String) throws { if !condition { throw Failure(what()) } }

    private func failure(of call: () async throws -> Void) async throws -> Status {
        do {
            try await call()
        } catch let status as Status {
            return status
        }
        throw Failure("the call succeeded")
    }
}
