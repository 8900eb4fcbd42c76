import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GRPC
@testable import Resources

/// A real server whose memory is small.
@Suite struct MemoryTests {
    private static let limit = 1 << 20

    @Test func aConnectionReservesInSteps() throws {
        let budget = MemoryBudget(limit: 200 << 10)
        var memory = try #require(ConnectionMemory(budget))
        #expect(budget.reserved == 16 << 10)
        func covers(_ bytes: Int) -> Bool { memory.covers(bytes) }
        #expect(covers(1))
        #expect(budget.reserved == 80 << 10)
        #expect(covers(64 << 10))
        #expect(covers(184 << 10), "to the last byte, if whole steps do not fit")
        #expect(!covers((184 << 10) + 1))
        #expect(budget.reserved == 200 << 10)
        #expect(ConnectionMemory(budget) == nil)
        #expect(covers(0))
        #expect(budget.reserved == 80 << 10)
        memory.settle(100)
        #expect(budget.reserved == (16 << 10) + 100)
        memory.settle(-1)
        memory.settle(200)
        #expect(budget.reserved == 16 << 10)
        #expect(covers(200) && budget.reserved == 80 << 10)
    }

    @Test func aSliceOfALargeBufferIsCopied() throws {
        let large = ByteBuffer(repeating: 1, count: 60_000)
        let slice = try #require(large.getSlice(at: 7, length: 10))
        #expect(slice.settled == slice && slice.settled.storageCapacity < 1_024)
        #expect(large.settled.storageCapacity == large.storageCapacity)
    }

    /// Below the bound a request is served; above it it is refused, and so is the newest while others hold what there is.
    @Test func requestsBeyondTheBoundAreRefused() async throws {
        try await withServer { client, budget in
            #expect(try await client.unary("/test/Echo", FramedMessage(ByteBuffer(repeating: 1, count: 300_000))).readableBytes == 300_000)
            try await eventually("everything is given back") { budget.reserved < 200_000 }
            await expectOverloaded { try await client.unary("/test/Echo", FramedMessage(ByteBuffer(repeating: 1, count: Self.limit))) }
            let held = Task { try await client.unary("/test/Hold", FramedMessage(ByteBuffer(repeating: 1, count: 600_000))) }
            try await eventually("the request is there") { Self.held.withLockedValue(\.count) == 1 }
            #expect(budget.reserved >= 600_000)
            await expectOverloaded { try await client.unary("/test/Echo", FramedMessage(ByteBuffer(repeating: 1, count: 400_000))) }
            #expect(try await client.unary("/test/Echo", FramedMessage(ByteBuffer(string: "small"))) == ByteBuffer(string: "small"))
            let call = try #require(Self.held.withLockedValue { $0.popLast() })
            call.respond(FramedMessage(ByteBuffer()))
            _ = try await held.value
            try await eventually("everything is given back") { budget.reserved < 200_000 }
        }
    }

    /// A method that goes on after its call was cancelled still has its request.
    @Test func whatACancelledCallLeftIsCounted() async throws {
        try await withServer { client, budget in
            let call = Task { try await client.unary("/test/Keep", FramedMessage(ByteBuffer(repeating: 1, count: 500_000))) }
            try await eventually("the method has begun") { Self.kept.withLockedValue(\.count) == 1 }
            call.cancel()
            _ = await call.result
            try await eventually("the stream is gone") { budget.reserved < 700_000 }
            #expect(budget.reserved >= 500_000)
            Self.kept.withLockedValue { $0 = [] }
            try await eventually("everything is given back") { budget.reserved < 200_000 }
        }
    }

    @Test func anAnswerWithoutRoomSaysThatTheCallWasCarriedOut() async throws {
        try await withServer { client, budget in
            await #expect {
                try await client.unary("/test/Large", FramedMessage(ByteBuffer()))
            } throws: {
                ($0 as? Status)?.message.contains("carried out") == true
            }
            try await eventually("everything is given back") { budget.reserved < 200_000 }
        }
    }

    /// Event loops take what streaming methods send when they have time; until then it counts as well.
    @Test func aStreamedAnswerCountsBeforeItsTurn() async throws {
        try await withServer { client, budget in
            let stream = try await client.stream("/test/Push")
            stream.finish()
            _ = await Result { for try await _ in stream.messages {} }
            let refused = Self.pushed.withLockedValue { $0 }
            #expect((refused as? Status)?.code == .resourceExhausted)
            try await eventually("everything is given back") { budget.reserved < 200_000 }
        }
    }

    /// Sends one large message while the event loop is held up, and another one.
    private static func push(_ requests: MessageStream, _ call: ServerCall) async throws {
        let gate = Semaphore()
        call.eventLoop.execute { gate.wait() }
        async let first: Void = call.send(FramedMessage(ByteBuffer(repeating: 1, count: 600_000)))
        try await eventually("the first one counts") { call.memory.reserved == 600_000 }
        let second = await Result { try await call.send(FramedMessage(ByteBuffer(repeating: 1, count: 600_000))) }
        gate.signal()
        try await first
        pushed.withLockedValue { $0 = second.failure }
    }

    private static let pushed = NIOLockedValueBox<(any Error)?>(nil)
    private static let held = NIOLockedValueBox<[ServerCall]>([])
    private static let kept = NIOLockedValueBox<[MemoryAccount]>([])

    private static let routes = [
        Route(service: "test", method: "Echo", .unary { request, call in call.respond(FramedMessage(request)) }),
        Route(service: "test", method: "Hold", .unary { _, call in held.withLockedValue { $0.append(call) } }),
        Route(service: "test", method: "Keep", .unary { _, call in kept.withLockedValue { $0.append(call.memory) } }),
        Route(service: "test", method: "Push", .streaming(.bidirectional, push)),
        Route(
            service: "test", method: "Large",
            .unary { _, call in call.respond(FramedMessage(ByteBuffer(repeating: 1, count: 2 * limit))) }),
    ]

    private func expectOverloaded(_ call: () async throws -> ByteBuffer) async {
        await #expect { try await call() } throws: { ($0 as? Status)?.message.contains("overloaded") == true }
    }

    private func withServer(_ body: (Client, MemoryBudget) async throws -> Void) async throws {
        var configuration = ServerConfiguration()
        configuration.memory = MemoryBudget(limit: Self.limit)
        let server = Server(
            router: Router(Self.routes), configuration: configuration, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
        let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0))
        let result: Result<Void, any Error>
        do { result = .success(try await body(client, configuration.memory)) } catch { result = .failure(error) }
        await client.close()
        await server.shutdown(grace: .seconds(5))
        try result.get()
        try await eventually("nothing is left reserved") { configuration.memory.reserved == 0 }
    }
}
