import NIOCore
import Testing

@testable import HTTP2

/// Bytes as networks and enemies deliver them.
@Suite struct HostileBytesTests {
    /// One connection's worth of bytes: three requests with content.
    private func recording() throws -> ByteBuffer {
        let pair = try SessionPair()
        for size in [0, 10, 40_000] {
            let id = try pair.client.request(requestFields, endStream: false)
            pair.client.send(id, ByteBuffer(repeating: 7, count: size))
            pair.client.finish(id)
            try pair.run()
        }
        return pair.clientBytes
    }

    @Test func anySplitGivesTheSameEvents() throws {
        let bytes = try recording()
        var random = SplitMix64(state: 5)
        for _ in 0..<60 {
            let server = try HTTP2Session(role: .server)
            var rest = bytes
            var events: [HTTP2Event] = []
            while rest.readableBytes > 0 {
                let count = min(rest.readableBytes, Int.random(in: 1...3_000, using: &random))
                if let piece = rest.readSlice(length: count) { try server.receive(piece) }
                events += server.takeEvents()
            }
            for (id, size) in [(1, 0), (3, 10), (5, 40_000)] {
                #expect(events.contains(.headers(StreamID(id), requestFields, endStream: false)))
                #expect(events.content(StreamID(id)).readableBytes == size)
                #expect(events.contains(.endStream(StreamID(id))))
            }
        }
    }

    /// Whatever arrives, the session ends in an error or goes on; it never crashes, and what it keeps stays
    /// within its windows.
    @Test func mutatedBytesNeverCrash() throws {
        let bytes = Array(try recording().readableBytesView)
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(state: seed)
        for _ in 0..<4_000 {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                // The preface stays as a rule, so that the frames behind it are reached.
                let index = Int.random(in: (Bool.random(using: &random) ? 24 : 0)..<mutated.count, using: &random)
                mutated[index] = UInt8.random(in: 0...255, using: &random)
            }
            mutated.removeLast(Int.random(in: 0..<mutated.count / 2, using: &random))
            let server = try HTTP2Session(role: .server)
            var output = ByteBuffer()
            do {
                try server.receive(ByteBuffer(bytes: mutated))
                for case .headers(let id, _, _) in server.takeEvents() {
                    try server.respond(id, [HeaderField(":status", "200")], endStream: true)
                }
                _ = try server.takeOutput(into: &output, limit: 1 << 20)
            } catch {
                _ = try? server.takeOutput(into: &output, limit: 1 << 20)
            }
            #expect(output.readableBytes < 1 << 20)
        }
    }
}

struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
