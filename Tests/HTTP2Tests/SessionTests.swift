import NIOCore
import Testing

@testable import HTTP2

@Suite struct SessionTests {
    @Test func aRequestIsAnsweredWithTrailers() throws {
        let pair = try SessionPair()
        let id = try pair.client.request(requestFields, endStream: false)
        pair.client.send(id, ByteBuffer(string: "question"))
        pair.client.finish(id)
        try pair.run()
        let asked = pair.takeServerEvents()
        #expect(asked.first == .headers(id, requestFields, endStream: false))
        #expect(asked.content(id) == ByteBuffer(string: "question"))
        #expect(asked.last == .endStream(id))

        let head = [HeaderField(":status", "200")]
        try pair.server.respond(id, head, endStream: false)
        pair.server.send(id, ByteBuffer(string: "answer"))
        pair.server.finish(id, trailers: [HeaderField("grpc-status", "0")])
        try pair.run()
        let answered = pair.takeClientEvents()
        #expect(answered.first == .headers(id, head, endStream: false))
        #expect(answered.content(id) == ByteBuffer(string: "answer"))
        #expect(answered.suffix(2) == [.trailers(id, [HeaderField("grpc-status", "0")]), .closed(id, .noError)])
        #expect(pair.server.openStreams == 0 && pair.client.openStreams == 0)
    }

    /// Whatever the sizes of frames, windows and portions of output.
    @Test(arguments: [1, 5, 300, 16_379, 16_384, 16_385, 65_535, 200_000], [1, 1_000, 1 << 20])
    func contentInArraysArrivesWhole(_ size: Int, _ limit: Int) throws {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 3) }
        for cut in Set([0, 1, size / 2, size]) {
            var settings = HTTP2Settings()
            settings.streamWindow = 40_000
            let pair = try SessionPair(client: settings)
            let id = try pair.client.request(requestFields, endStream: true)
            try pair.run()
            try pair.server.answer(
                id, StaticHeaders([HeaderField(":status", "200")]), .arrays(Array(bytes[..<cut]), Array(bytes[cut...])),
                trailers: StaticHeaders([HeaderField("grpc-status", "0")]))
            #expect(pair.server.pendingBytes == size)
            var received = ByteBuffer()
            var events: [HTTP2Event] = []
            while events.last != .closed(id, .noError) {
                try pair.run(limit: limit)
                events = pair.takeClientEvents()
                let content = events.content(id)
                received.writeImmutableBuffer(content)
                pair.client.consume(id, content.readableBytes)
                try #require(!events.isEmpty)
            }
            #expect(received == ByteBuffer(bytes: bytes))
            #expect(events.suffix(2) == [.trailers(id, [HeaderField("grpc-status", "0")]), .closed(id, .noError)])
            #expect(pair.server.pendingBytes == 0 && pair.server.openStreams == 0)
        }
    }

    /// nghttp2 has made a DATA frame for which there was no room; before it is asked again, the stream is reset.
    @Test func aFrameThatWaitsForRoomIsDroppedWithItsStream() throws {
        var settings = HTTP2Settings()
        settings.streamWindow = 100_000
        settings.connectionWindow = 1 << 20
        let pair = try SessionPair(client: settings)
        let ids = try (0..<2).map { _ in try pair.client.request(requestFields, endStream: true) }
        try pair.run()
        let fields = StaticHeaders([HeaderField(":status", "200")])
        for id in ids {
            try pair.server.answer(
                id, fields, .arrays([1], [UInt8](repeating: 2, count: 39_999)),
                trailers: StaticHeaders([HeaderField("grpc-status", "0")]))
        }
        // Two header sections, and a DATA frame of the first stream, behind which that of the second one finds the output full.
        var output = ByteBuffer()
        for _ in 0..<3 {
            let hasMore = try pair.server.takeOutput(into: &output, limit: 1)
            #expect(hasMore)
        }
        #expect(pair.server.pendingBytes == 80_000 - 16_384)
        pair.client.reset(ids[0], .cancel)
        pair.client.reset(ids[1], .cancel)
        var up = ByteBuffer()
        _ = try pair.client.takeOutput(into: &up, limit: 1 << 20)
        try pair.server.receive(up)
        _ = pair.server.takeEvents()
        #expect(pair.server.openStreams == 0 && pair.server.pendingBytes == 0)
        while try pair.server.takeOutput(into: &output, limit: 1) {}
        try pair.client.receive(output)
        #expect(pair.client.openStreams == 0)
    }

    /// RFC 9113 §5.4.2: the trailers that wait are dropped, and no RST_STREAM answers the client's.
    @Test func aResetIsNotAnsweredByAReset() throws {
        let pair = try SessionPair()
        let ids = try (0..<4).map { _ in try pair.client.request(requestFields, endStream: true) }
        try pair.run()
        let fields = StaticHeaders([HeaderField(":status", "200")])
        for id in ids {
            try pair.server.answer(
                id, fields, .arrays([1], [UInt8](repeating: 2, count: 10_000)), trailers: StaticHeaders([HeaderField("grpc-status", "0")]))
        }
        var sent = ByteBuffer()
        for _ in 0..<6 { _ = try pair.server.takeOutput(into: &sent, limit: 1) }
        for id in ids { pair.client.reset(id, .cancel) }
        var up = ByteBuffer()
        _ = try pair.client.takeOutput(into: &up, limit: 1 << 20)
        try pair.server.receive(up)
        var later = ByteBuffer()
        while try pair.server.takeOutput(into: &later, limit: 1 << 20) {}
        while let length = later.readBytes(length: 3), let type: UInt8 = later.readInteger() {
            #expect(type != 3, "RST_STREAM")
            later.moveReaderIndex(forwardBy: 5 + length.reduce(0) { $0 << 8 | Int($1) })
        }
    }

    /// RFC 9113 §5.2: no more than the window, until the receiver gives bytes back.
    @Test func contentStopsAtTheWindow() throws {
        var settings = HTTP2Settings()
        settings.streamWindow = 100_000
        let pair = try SessionPair(server: settings)
        let id = try pair.client.request(requestFields, endStream: false)
        pair.client.send(id, ByteBuffer(repeating: 1, count: 250_000))
        #expect(pair.client.isBlocked(id))
        try pair.run()
        #expect(pair.takeServerEvents().content(id).readableBytes == 100_000)
        #expect(pair.client.pendingBytes == 150_000)

        pair.server.consume(id, 100_000)
        try pair.run()
        #expect(pair.takeServerEvents().content(id).readableBytes == 100_000)
        pair.server.consume(id, 100_000)
        try pair.run()
        #expect(pair.takeServerEvents().content(id).readableBytes == 50_000)
        #expect(pair.takeClientEvents().contains(.writable(id)))
        #expect(pair.client.pendingBytes == 0)
    }

    @Test func anAnswerBeforeTheEndOfTheRequestStopsTheClient() throws {
        let pair = try SessionPair()
        let id = try pair.client.request(requestFields, endStream: false)
        try pair.run()
        try pair.server.respond(id, [HeaderField(":status", "200")], endStream: true)
        try pair.run()
        // RFC 9113 §8.1: RST_STREAM with NO_ERROR.
        #expect(pair.takeClientEvents().last == .closed(id, .noError))
        #expect(pair.server.openStreams == 0)
    }

    @Test func aResetClosesTheStreamOnBothSides() throws {
        let pair = try SessionPair()
        let id = try pair.client.request(requestFields, endStream: false)
        pair.client.send(id, ByteBuffer(string: "x"))
        try pair.run()
        pair.client.reset(id, .cancel)
        try pair.run()
        #expect(pair.takeServerEvents().last == .closed(id, .cancel))
        pair.server.send(id, ByteBuffer(string: "too late"))
        pair.server.finish(id)
        try pair.run()
        #expect(pair.server.pendingBytes == 0)
    }

    /// Sent, reset by the client, or lost with the connection: what is large is handed over once, by whoever keeps it last.
    @Test func largeContentIsHandedOver() throws {
        var handedOver: [Int] = []
        var client = HTTP2Settings()
        client.streamWindow = 100_000
        let pair = try SessionPair(client: client, leastLargeBytes: 100_000) { handedOver.append($0.storageCapacity) }
        func answer(_ size: Int) throws -> StreamID {
            let id = try pair.client.request(requestFields, endStream: true)
            try pair.run()
            try pair.server.respond(id, [HeaderField(":status", "200")], endStream: false)
            pair.server.send(id, ByteBuffer(repeating: 1, count: size))
            try pair.run()
            return id
        }
        let sent = try answer(150_000)
        #expect(handedOver.isEmpty, "the window is closed")
        pair.client.consume(sent, 100_000)
        try pair.run()
        #expect(handedOver.count == 1 && pair.server.pendingBytes == 0)
        _ = try answer(50_000)
        #expect(handedOver.count == 1, "a small one is let go of in its place")
        let reset = try answer(200_000)
        pair.server.send(reset, ByteBuffer(repeating: 1, count: 120_000))
        pair.client.reset(reset, .cancel)
        try pair.run()
        #expect(handedOver.count == 3 && pair.server.pendingBytes == 0)
        let lost = try answer(250_000)
        pair.server.detach(lost)
        #expect(handedOver.count == 4 && pair.server.pendingBytes == 0)
        #expect(handedOver.allSatisfy { $0 >= 100_000 })
    }

    @Test func aLargeHeaderSectionIsReportedNotKept() throws {
        var settings = HTTP2Settings()
        settings.headerListBytes = 1_000
        let pair = try SessionPair(server: settings)
        let id = try pair.client.request(
            requestFields + [HeaderField("x", String(repeating: "v", count: 1_000))], endStream: true)
        try pair.run()
        #expect(pair.takeServerEvents().first == .headersTooLarge(id, requestFields))
    }

    @Test func streamsBeyondTheLimitWait() throws {
        var settings = HTTP2Settings()
        settings.maxConcurrentStreams = 2
        let pair = try SessionPair(server: settings)
        let ids = try (0..<3).map { _ in try pair.client.request(requestFields, endStream: true) }
        try pair.run()
        #expect(pair.server.openStreams == 2)
        try pair.server.respond(ids[0], [HeaderField(":status", "200")], endStream: true)
        try pair.run()
        #expect(pair.takeServerEvents().contains(.headers(ids[2], requestFields, endStream: true)))
    }

    @Test func goAwayLetsOpenStreamsFinish() throws {
        let pair = try SessionPair()
        let id = try pair.client.request(requestFields, endStream: true)
        try pair.run()
        pair.server.announceShutdown()
        pair.server.goAway()
        try pair.run()
        #expect(pair.takeClientEvents().contains { if case .goAway = $0 { true } else { false } })
        #expect(throws: HTTP2Error.self) {
            // Either refused at once, or its stream is closed unsent.
            let late = try pair.client.request(requestFields, endStream: true)
            try pair.run()
            if pair.takeClientEvents().contains(.closed(late, .refusedStream)) { throw HTTP2Error.noMoreStreams }
        }
        try pair.server.respond(id, [HeaderField(":status", "200")], endStream: true)
        try pair.run()
        #expect(pair.takeClientEvents().contains(.closed(id, .noError)))
        #expect(!pair.server.isAlive)
    }

    @Test func pingsAreAnswered() throws {
        let pair = try SessionPair()
        pair.server.ping()
        try pair.run()
        #expect(pair.takeServerEvents() == [.pingAcknowledged])
    }

    @Test(arguments: ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\u{16}\u{3}\u{1}", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"])
    func otherProtocolsAreToldApart(_ bytes: String) throws {
        let server = try HTTP2Session(role: .server)
        #expect(throws: HTTP2Error.notHTTP2) { try server.receive(ByteBuffer(string: bytes)) }
    }
}
