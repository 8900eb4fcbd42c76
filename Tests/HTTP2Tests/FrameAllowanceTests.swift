import NIOCore
import Testing

@testable import HTTP2

@Suite struct FrameAllowanceTests {
    @Test func aBurstAndThenARate() {
        var allowance = FrameAllowance(burst: 10, perSecond: 3)
        allowance.spend(10)
        #expect(!allowance.isExceeded)
        allowance.spend()
        #expect(allowance.isExceeded)
        allowance.secondPassed()
        #expect(!allowance.isExceeded)
        for _ in 0..<10 { allowance.secondPassed() }
        allowance.spend(11)
        #expect(allowance.isExceeded, "no more is saved than a burst")
    }

    @Test(arguments: [(Int.max, Int.max), (.max, 1), (10, .max)])
    func theLargestNumbersAreNoLimit(burst: Int, perSecond: Int) {
        var allowance = FrameAllowance(burst: burst, perSecond: perSecond)
        allowance.spend()
        allowance.earn(9)
        allowance.secondPassed()
        allowance.spend(10)
        #expect(!allowance.isExceeded)
    }

    /// Frames that make up a flood by themselves.
    @Test(
        arguments: [
            [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 4, 0, 0, 0, 0, 0], [0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
            [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ] as [[UInt8]])
    func floodsEndTheSession(_ frame: [UInt8]) throws {
        var settings = HTTP2Settings()
        settings.controlFrameBurst = 50
        let pair = try SessionPair(server: settings)
        let few = ByteBuffer(bytes: Array(repeating: frame, count: 40).flatMap { $0 })
        try pair.server.receive(few)
        var output = ByteBuffer()
        while try pair.server.takeOutput(into: &output, limit: 1 << 20) {}
        #expect(pair.server.isAlive)
        #expect(throws: HTTP2Error.flooded) { try pair.server.receive(few) }
        while try pair.server.takeOutput(into: &output, limit: 1 << 20) {}
        #expect(!pair.server.isAlive)
    }

    /// Ten minutes' worth at once, and each answer starts the count anew.
    @Test func pingsWithoutAnswersEndTheSession() throws {
        var settings = HTTP2Settings()
        settings.pingsPerMinute = 6
        let pair = try SessionPair(server: settings)
        func ping(_ count: Int) throws {
            for _ in 0..<count { pair.client.ping() }
            try pair.run()
        }
        for _ in 0..<3 {
            try ping(60)
            let id = try pair.client.request(requestFields, endStream: true)
            try pair.run()
            try pair.server.respond(id, [HeaderField(":status", "200")], endStream: true)
            try pair.run()
        }
        try ping(60)
        for _ in 0..<10 { pair.server.secondPassed() }
        try ping(1)
        #expect(throws: HTTP2Error.flooded) { try ping(1) }
        var output = ByteBuffer()
        while try pair.server.takeOutput(into: &output, limit: 1 << 20) {}
        #expect(output.withUnsafeReadableBytes { Array($0) }.suffix(14) == Array("too_many_pings".utf8)[...])
    }

    @Test func unknownFramesEndTheSession() throws {
        let pair = try SessionPair()
        let frame = ByteBuffer(bytes: [0, 0x40, 0, 99, 0, 0, 0, 0, 0] + Array(repeating: 1, count: 0x4000) as [UInt8])
        for _ in 0..<1_000 { try pair.server.receive(frame) }
        #expect(throws: HTTP2Error.flooded) { for _ in 0..<30 { try pair.server.receive(frame) } }
    }

    /// Calls and what goes with them are no flood, however many.
    @Test func callsEarnTheirFrames() throws {
        var settings = HTTP2Settings()
        settings.controlFrameBurst = 50
        let pair = try SessionPair(server: settings)
        for _ in 0..<500 {
            let id = try pair.client.request(requestFields, endStream: true)
            pair.client.ping()
            try pair.run()
            try pair.server.respond(id, [HeaderField(":status", "200")], endStream: false)
            pair.server.send(id, ByteBuffer(repeating: 1, count: 1_000))
            pair.server.finish(id)
            try pair.run()
            pair.client.consume(id, 1_000)
            try pair.run()
        }
        #expect(pair.server.isAlive)
    }

    /// 10,000 references to one entry of HPACK's table: only the first few are looked at, and the table stays right.
    @Test func aSectionFarBeyondTheLimitResetsItsStream() throws {
        var settings = HTTP2Settings()
        settings.headerListBytes = 1_000
        let pair = try SessionPair(server: settings)
        let large = requestFields + (0..<100).map { _ in HeaderField("x", String(repeating: "v", count: 200)) }
        let id = try pair.client.request(large, endStream: true)
        try pair.run()
        #expect(pair.takeServerEvents() == [.closed(id, .enhanceYourCalm)])
        #expect(pair.takeClientEvents() == [.closed(id, .enhanceYourCalm)])
        let next = try pair.client.request(requestFields + [HeaderField("x", String(repeating: "v", count: 200))], endStream: true)
        try pair.run()
        guard case .headers(next, let fields, _)? = pair.takeServerEvents().first else {
            Issue.record("the next request did not come")
            return
        }
        #expect(fields.last?.value.count == 200)
    }

    @Test func aSectionThatHasNotEndedIsKnown() throws {
        let server = try HTTP2Session(role: .server)
        var bytes = ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        bytes.writeBytes([0, 0, 0, 4, 0, 0, 0, 0, 0] as [UInt8])
        try server.receive(bytes)
        #expect(server.openSection == nil)
        try server.receive(ByteBuffer(bytes: [0, 0, 5, 1, 5, 0, 0, 0, 1, 0x83] as [UInt8]))
        let first = try #require(server.openSection)
        try server.receive(ByteBuffer(bytes: [0x86] as [UInt8]))
        #expect(server.openSection == first)
    }
}
