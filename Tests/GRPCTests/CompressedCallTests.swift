import Compression
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Resources
import Testing

@testable import GRPC

/// A server, and the Swift client that compresses its requests.
@Suite struct CompressedCallTests {
    private static let limit = 2 << 20

    @Test(arguments: MessageCompression.allCases)
    func unaryCallsOfAllSizes(_ compression: MessageCompression) async throws {
        try await withServer(compression) { client, _ in
            for size in [0, 1, 1_023, 1_024, 16_384, 16_385, 70_000, 1 << 20, Self.limit] {
                let message = Self.text(size)
                let reply = try await client.unary("/test/Echo", FramedMessage(message))
                #expect(reply == message, "\(size) bytes came back changed")
            }
        }
    }

    @Test(arguments: MessageCompression.allCases)
    func streamsKeepTheirOrder(_ compression: MessageCompression) async throws {
        try await withServer(compression) { client, _ in
            let stream = try await client.stream("/test/Chat")
            // Those of 100,000 bytes go to another thread; the small ones behind them wait.
            let sizes = [10, 100_000, 5_000, 20, 300_000, 0, 1_500_000, 1, 40_000]
            let sent = Task {
                for size in sizes { try await stream.send(FramedMessage(Self.text(size))) }
                stream.finish()
            }
            var received: [Int] = []
            for try await message in stream.messages {
                #expect(message == Self.text(message.readableBytes))
                received.append(message.readableBytes)
            }
            #expect(received == sizes)
            try await sent.value
        }
    }

    /// A thousand messages in one read, each of which takes some time: cut in slices, and the end of the request comes behind them.
    @Test func aStreamOfManyCompressedMessagesIsWhole() async throws {
        try await withServer(.gzip) { client, _ in
            let stream = try await client.stream("/test/Sum")
            for _ in 0..<1_000 { try await stream.send(FramedMessage(ByteBuffer(repeating: 7, count: 8_000))) }
            stream.finish()
            var replies = stream.messages.makeAsyncIterator()
            #expect(try await replies.next().map { String(buffer: $0) } == "8000000, 1000 compressed")
        }
    }

    /// A request's answer is compressed the same way, others are not; large enough or not, what is not smaller is not compressed either.
    @Test func answersAreCompressedLikeTheirRequests() async throws {
        let codecs = ServerConfiguration().codecs
        for (compression, size, isSmaller) in [(nil, 50_000, false), (.gzip, 50_000, true), (.zstd, 5_000, true), (.gzip, 900, false)]
            as [(MessageCompression?, Int, Bool)]
        {
            try await withServer(compression) { client, observer in
                #expect(try await client.unary("/test/Echo", FramedMessage(Self.text(size))) == Self.text(size))
                try await eventually("the call was observed") { observer.endings.count == 1 }
                let bytes = observer.endings.first?.responseBytes ?? 0
                #expect(isSmaller ? bytes < size / 2 : bytes == size)
                if let compression, isSmaller {
                    #expect(bytes == FramedMessage(Self.text(size)).compressed(compression, codecs)?.messageBytes)
                }
            }
        }
    }

    @Test func aMethodMayOfferCompression() async throws {
        try await withServer(nil) { client, observer in
            var metadata = Metadata()
            for list in ["identity", "identity,deflate,gzip"] {
                metadata = Metadata()
                metadata.append("grpc-accept-encoding", list)
                let reply = try await client.unary("/test/Offer", FramedMessage(ByteBuffer()), metadata: metadata)
                #expect(reply == Self.text(40_000))
            }
            try await eventually("the calls were observed") { observer.endings.count == 2 }
            #expect(observer.endings.first?.responseBytes == 40_000 && (observer.endings.last?.responseBytes ?? 0) < 20_000)
        }
    }

    @Test(arguments: MessageCompression.allCases)
    func bombsAreRefused(_ compression: MessageCompression) async throws {
        try await withServer(compression) { client, _ in
            for path in ["/test/Echo", "/test/Sum"] {
                let stream = try await client.stream(path)
                try await stream.send(FramedMessage(ByteBuffer(repeating: 0, count: 64 << 20)))
                stream.finish()
                await #expect {
                    for try await _ in stream.messages {}
                } throws: {
                    ($0 as? Status)?.code == .resourceExhausted && ($0 as? Status)?.message.contains("when it is decompressed") == true
                }
            }
            #expect(try await client.unary("/test/Echo", FramedMessage(Self.text(5_000))) == Self.text(5_000))
        }
    }

    /// Small compressed messages that grow: each is within the limit of a message, all together are beyond what the server has for them.
    @Test func whatIsDecompressedCountsInTheMemoryOfRequests() async throws {
        try await withServer(.gzip, memory: 8 << 20) { client, _ in
            let stream = try await client.stream("/test/Hold")
            let sent = Task {
                for _ in 0..<50 { try await stream.send(FramedMessage(ByteBuffer(repeating: 0, count: 1 << 20))) }
            }
            await #expect {
                for try await _ in stream.messages {}
            } throws: {
                ($0 as? Status)?.message.contains("overloaded") == true
            }
            _ = await sent.result
            #expect(try await client.unary("/test/Echo", FramedMessage(Self.text(5_000))) == Self.text(5_000))
        }
    }

    @Test(arguments: [10, 20_000, 500_000])
    func damagedMessagesAreAnInternalError(_ bytes: Int) async throws {
        try await withServer(.gzip) { client, _ in
            // Flagged as compressed, and not that.
            var wire = FramedMessage(Self.text(bytes)).content.whole
            wire.setInteger(UInt8(1), at: wire.readerIndex)
            let raw = FramedMessage(Array(buffer: wire), [])
            await #expect { try await client.unary("/test/Echo", raw) } throws: {
                ($0 as? Status)?.code == .internal && ($0 as? Status)?.message.contains("cannot be decompressed") == true
            }
        }
    }

    /// And so is a compressed one without a name.
    @Test(arguments: ["snappy", "identity", nil])
    func anAnswerWithAnUnknownEncodingIsAnInternalError(_ encoding: String?) {
        var ending: Status?
        let call = ClientCall(
            path: "/test/Echo", metadata: Metadata(), timeout: nil,
            settings: ClientCall.Settings(messageBytes: 100, compression: nil, codecs: CodecPool()), consumesAtOnce: true,
            onMessage: { _, _, _ in Issue.record("a message was made of it") },
            onEnd: { if case .failure(let status) = $0 { ending = status } })
        var head = Metadata()
        head.append(":status", "200")
        head.append("content-type", "application/grpc")
        if let encoding { head.append("grpc-encoding", encoding) }
        call.received(head.fields, endStream: false)
        #expect(ending == nil)
        call.received(ByteBuffer(bytes: [1, 0, 0, 0, 1, 7]))
        #expect(ending?.code == .internal)
    }

    @Test func aCallThatEndsLeavesNothingBehind() async throws {
        try await withServer(.gzip) { client, _ in
            for _ in 0..<20 {
                let call = Task { try await client.unary("/test/Echo", FramedMessage(Self.text(Self.limit))) }
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...20)))
                call.cancel()
                _ = await call.result
            }
        }
    }

    private static func text(_ bytes: Int) -> ByteBuffer {
        ByteBuffer(bytes: (0..<bytes).map { UInt8(ascii: "a") &+ UInt8(truncatingIfNeeded: $0 &* $0 % 251 % 7) })
    }

    private static let routes = [
        Route(service: "test", method: "Echo", .unary { request, call in call.respond(FramedMessage(request)) }),
        Route(
            service: "test", method: "Offer",
            .unary { _, call in
                call.offerCompression()
                call.respond(FramedMessage(text(40_000)))
            }),
        Route(
            service: "test", method: "Chat",
            .streaming(.bidirectional) { requests, call in
                for try await request in requests { try await call.send(FramedMessage(request)) }
            }),
        Route(
            service: "test", method: "Sum",
            .streaming(.clientStreaming) { requests, call in
                var (bytes, compressed) = (0, 0)
                var iterator = requests.makeAsyncIterator()
                while let request = try await iterator.next() {
                    bytes += request.readableBytes
                    if iterator.wasCompressed { compressed += 1 }
                }
                try await call.send(FramedMessage(ByteBuffer(string: "\(bytes), \(compressed) compressed")))
            }),
        Route(
            service: "test", method: "Hold",
            .streaming(.clientStreaming) { requests, call in
                // Reads nothing, until the call is over.
                await withCheckedContinuation { continuation in call.onCancel { continuation.resume() } }
            }),
    ]

    private final class Endings: CallObserver {
        private let box = NIOLockedValueBox<[CallEnding]>([])
        var endings: [CallEnding] { box.withLockedValue { $0 } }
        func began(_ call: ObservedCall) {}
        func ended(_ call: ObservedCall, _ ending: CallEnding) { box.withLockedValue { $0.append(ending) } }
    }

    private func withServer(
        _ compression: MessageCompression?, memory: Int = 256 << 20, _ body: (Client, Endings) async throws -> Void
    ) async throws {
        var configuration = ServerConfiguration()
        configuration.memory = MemoryBudget(limit: memory)
        configuration.messageBytes = Self.limit
        let observer = Endings()
        configuration.observer = observer
        let server = Server(
            router: Router(Self.routes), configuration: configuration, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
        var settings = ClientConfiguration()
        settings.compression = compression
        let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0), configuration: settings)
        let result: Result<Void, any Error>
        do { result = .success(try await body(client, observer)) } catch { result = .failure(error) }
        await client.close()
        await server.shutdown(grace: .seconds(5))
        try result.get()
        try await eventually("nothing is left reserved") { configuration.memory.reserved == 0 }
    }
}
