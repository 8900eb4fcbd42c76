import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GRPC

/// A real server on a free port and the Swift client against it.
@Suite struct CallTests {
    static let routes = [
        Route(service: "test.Echo", method: "Unary", .unary { request, call in call.respond(FramedMessage(request)) }),
        Route(
            service: "test.Echo", method: "Fail",
            .unary { _, call in
                call.finish(Status(.dataLoss, "weg: 100 %\nalles", details: [1, 2, 3]))
            }),
        Route(
            service: "test.Echo", method: "Never",
            .unary { request, call in
                call.onCancel { cancelled.withLockedValue { _ = $0.insert(String(buffer: request)) } }
            }),
        Route(
            service: "test.Echo", method: "Chat",
            .streaming(.bidirectional) { requests, call in
                for try await request in requests { try await call.send(FramedMessage(request)) }
            }),
        Route(
            service: "test.Echo", method: "Sum",
            .streaming(.clientStreaming) { requests, call in
                var bytes = 0
                for try await request in requests { bytes += request.readableBytes }
                try await call.send(FramedMessage(ByteBuffer(string: "\(bytes)")))
            }),
        Route(
            service: "test.Echo", method: "Flood",
            .streaming(.serverStreaming) { requests, call in
                for try await _ in requests {}
                while true {
                    try await call.send(FramedMessage(ByteBuffer(repeating: 7, count: 10_000)))
                    flooded.withLockedValue { $0 += 1 }
                }
            }),
    ]
    static let cancelled = NIOLockedValueBox(Set<String>())
    static let flooded = NIOLockedValueBox(0)

    @Test func unaryCallsOfAllSizes() async throws {
        try await withServer { client in
            for size in [0, 1, 1_000, 16_384, 70_000, 3_000_000, 16 << 20] {
                let message = ByteBuffer(bytes: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) })
                let reply = try await client.unary("/test.Echo/Unary", FramedMessage(message))
                #expect(reply == message, "\(size) bytes came back changed")
            }
        }
    }

    @Test func manyCallsAtOnceOnOneConnection() async throws {
        try await withServer { client in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<2_000 {
                    group.addTask {
                        let message = ByteBuffer(string: "message \(index)")
                        return try await client.unary("/test.Echo/Unary", FramedMessage(message)) == message
                    }
                }
                for try await isSame in group { #expect(isSame) }
            }
        }
    }

    @Test func statusMessageAndDetailsArrive() async throws {
        try await withServer { client in
            await #expect(throws: Status(.dataLoss, "weg: 100 %\nalles", details: [1, 2, 3])) {
                try await client.unary("/test.Echo/Fail", FramedMessage(ByteBuffer()))
            }
        }
    }

    @Test func unknownNamesAreUnimplemented() async throws {
        try await withServer { client in
            for (path, message) in [
                ("/test.Echo/Nope", "the service test.Echo has no method Nope"),
                ("/nope.Nope/X", "this server has no service nope.Nope"),
                ("/x", "the path must be /service/method"),
            ] {
                await #expect(throws: Status(.unimplemented, message)) {
                    try await client.unary(path, FramedMessage(ByteBuffer()))
                }
            }
        }
    }

    @Test func deadlineEndsTheCallAndCancelsItsWork() async throws {
        try await withServer { client in
            await #expect {
                try await client.unary(
                    "/test.Echo/Never", FramedMessage(ByteBuffer(string: "late")), timeout: .milliseconds(20))
            } throws: {
                ($0 as? Status)?.code == .deadlineExceeded
            }
            try await eventually("the method was cancelled") { Self.cancelled.withLockedValue { $0.contains("late") } }
        }
    }

    /// One timer serves all calls of a connection. The client keeps no time here: only the server knows the deadlines.
    @Test func everyCallEndsAtItsOwnDeadline() async throws {
        try await withServer { client in
            // The coarse tick alone would end the first four together, every time; a busy machine does now and then.
            for _ in 0..<5 {
                let ends = await Self.deadlines([400, 30, 1_500, 200, 600], client)
                for (milliseconds, code, time) in ends {
                    #expect(code == .deadlineExceeded)
                    #expect(time >= .milliseconds(milliseconds))
                }
                if ends[3].time - ends[0].time > .milliseconds(300) {
                    #expect(ends.map(\.milliseconds) == [30, 200, 400, 600, 1_500], "another order than that of their deadlines")
                    return
                }
            }
            Issue.record("calls with other deadlines ended together, five times")
        }
    }

    /// Calls with these deadlines, in the order in which they ended.
    static func deadlines(_ milliseconds: [Int], _ client: Client) async -> [(milliseconds: Int, code: StatusCode?, time: Duration)] {
        let started = ContinuousClock.now
        return await withTaskGroup(of: (Int, StatusCode?, Duration).self) { group in
            for milliseconds in milliseconds {
                group.addTask {
                    var metadata = Metadata()
                    metadata.append("grpc-timeout", "\(milliseconds)m")
                    let result = await Result {
                        try await client.unary("/test.Echo/Never", FramedMessage(ByteBuffer()), metadata: metadata)
                    }
                    return (milliseconds, (result.failure as? Status)?.code, ContinuousClock.now - started)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test func cancellingTheTaskResetsTheStream() async throws {
        try await withServer { client in
            let call = Task {
                try await client.unary("/test.Echo/Never", FramedMessage(ByteBuffer(string: "dropped")))
            }
            call.cancel()
            let result = await call.result
            #expect((result.failure as? Status)?.code == .cancelled)
        }
    }

    @Test func bidirectionalCallEchoes() async throws {
        try await withServer { client in
            let stream = try await client.stream("/test.Echo/Chat")
            var replies = stream.messages.makeAsyncIterator()
            for index in 0..<50 {
                let message = ByteBuffer(repeating: UInt8(index), count: index * 1_000)
                try await stream.send(FramedMessage(message))
                #expect(try await replies.next() == message)
            }
            stream.finish()
            #expect(try await replies.next() == nil)
        }
    }

    @Test func clientStreamIsSummed() async throws {
        try await withServer { client in
            let stream = try await client.stream("/test.Echo/Sum")
            for _ in 0..<400 { try await stream.send(FramedMessage(ByteBuffer(repeating: 1, count: 10_000))) }
            stream.finish()
            var replies = stream.messages.makeAsyncIterator()
            #expect(try await replies.next().map { String(buffer: $0) } == "4000000")
        }
    }

    /// One read brings thousands of them: they are cut in slices, and the end of the request comes behind them.
    @Test func aStreamOfTinyMessagesIsWhole() async throws {
        try await withServer { client in
            for last in [0, 1, 40_000] {
                let stream = try await client.stream("/test.Echo/Sum")
                for _ in 0..<3_000 { try await stream.send(FramedMessage(ByteBuffer(repeating: 1, count: 1))) }
                if last > 0 { try await stream.send(FramedMessage(ByteBuffer(repeating: 1, count: last))) }
                stream.finish()
                var replies = stream.messages.makeAsyncIterator()
                #expect(try await replies.next().map { String(buffer: $0) } == "\(3_000 + last)")
            }
        }
    }

    /// A server stream that nobody reads stops at the windows: 1 MiB of HTTP/2 window on the client,
    /// the high-water mark here, and no more.
    @Test func aSlowReaderStopsTheWriter() async throws {
        try await withServer { client in
            let stream = try await client.stream("/test.Echo/Flood")
            try await stream.send(FramedMessage(ByteBuffer()))
            stream.finish()
            var last = -1
            try await eventually("the writer waits", every: .milliseconds(50)) {
                defer { last = Self.flooded.withLockedValue { $0 } }
                return last > 0 && Self.flooded.withLockedValue { $0 } == last
            }
            #expect(last * 10_000 < 4 << 20, "\(last) messages of 10,000 bytes were taken from the method")
            stream.cancel()
        }
    }

    /// The last reply must be on the socket, not only out of the session, before the connection closes.
    @Test func shutdownSendsLargeRepliesWhole() async throws {
        for _ in 0..<10 {
            let server = Server(
                router: Router(Self.routes), group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))
            let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
            let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0))
            let large = ByteBuffer(repeating: 3, count: 8 << 20)
            async let reply = client.unary("/test.Echo/Unary", FramedMessage(large))
            try await eventually("the connection is there") { server.connections == 1 }
            async let stopped: Void = server.shutdown(grace: .seconds(30))
            // Refused is as good; half a reply is not.
            do { #expect(try await reply == large) } catch { #expect((error as? Status)?.code == .unavailable, "\(error)") }
            await stopped
            await client.close()
        }
    }

    @Test func shutdownLetsCallsFinish() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = Server(router: Router(Self.routes), group: group, logger: Logger(label: "test"))
        let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
        let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0))
        let stream = try await client.stream("/test.Echo/Chat")
        var replies = stream.messages.makeAsyncIterator()
        try await stream.send(FramedMessage(ByteBuffer(string: "before")))
        #expect(try await replies.next() == ByteBuffer(string: "before"))
        async let stopped: Void = server.shutdown(grace: .seconds(30))
        try await stream.send(FramedMessage(ByteBuffer(string: "during")))
        #expect(try await replies.next() == ByteBuffer(string: "during"))
        stream.finish()
        #expect(try await replies.next() == nil)
        await stopped
        #expect(server.connections == 0)
        await #expect { try await client.unary("/test.Echo/Unary", FramedMessage(ByteBuffer())) } throws: {
            ($0 as? Status)?.code == .unavailable
        }
        await client.close()
    }

    private func withServer(_ body: (Client) async throws -> Void) async throws {
        let server = Server(
            router: Router(Self.routes), group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))
        let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
        let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0))
        let result: Result<Void, any Error>
        do { result = .success(try await body(client)) } catch { result = .failure(error) }
        await client.close()
        await server.shutdown(grace: .seconds(5))
        try result.get()
    }
}

/// Waits for a condition, and says which one never came, after 20 seconds and a thousand looks: where tests that compute hold up the threads,
/// what is waited for is held up as well.
func eventually(
    _ what: String, every interval: Duration = .milliseconds(2), _ condition: () -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(20)
    var looks = 0
    while !condition() {
        looks += 1
        guard ContinuousClock.now < end || looks < 1_000 else {
            Issue.record("never happened: \(what)")
            return
        }
        try await Task.sleep(for: interval)
    }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

extension Result {
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
