import NIOCore
import Testing

@testable import GRPC

@Suite struct WireTests {
    @Test func percentEncodingFollowsTheProtocol() {
        #expect(PercentEncoding.encode("plain text") == "plain text")
        #expect(PercentEncoding.encode("50% zu spät\n") == "50%25 zu sp%C3%A4t%0A")
        #expect(PercentEncoding.decode("50%25 zu sp%C3%A4t%0A") == "50% zu spät\n")
        // "decoders must not error": what is no escape stays.
        #expect(PercentEncoding.decode("100%") == "100%")
        #expect(PercentEncoding.decode("%zz%4") == "%zz%4")
    }

    @Test func percentEncodingRoundTripsAnyText() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<2_000 {
            let text = String(
                decoding: (0..<Int.random(in: 0..<40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }, as: UTF8.self
            )
            let encoded = PercentEncoding.encode(text)
            #expect(encoded.utf8.allSatisfy { (0x20...0x7E).contains($0) })
            #expect(PercentEncoding.decode(encoded) == text)
        }
    }

    @Test(arguments: [
        ("1H", 3_600_000_000_000), ("2M", 120_000_000_000), ("30S", 30_000_000_000), ("5m", 5_000_000),
        ("7u", 7_000), ("99999999n", 99_999_999),
    ])
    func timeoutsAreRead(_ text: String, _ nanoseconds: Int64) {
        #expect(Timeout.parse(text)?.nanoseconds == nanoseconds)
    }

    @Test(arguments: ["", "S", "1", "-1S", "1.5S", "999999999S", "1s", "1 S"])
    func badTimeoutsAreRefused(_ text: String) {
        #expect(Timeout.parse(text) == nil, "\(text) is no timeout")
    }

    @Test func timeoutsRoundUpToTheFinestUnit() {
        #expect(Timeout.format(.nanoseconds(1)) == "1n")
        #expect(Timeout.format(.milliseconds(100)) == "100000u")
        #expect(Timeout.format(.nanoseconds(99_999_999_001)) == "100000m")
        #expect(Timeout.format(.seconds(0)) == "1n")
        #expect(Timeout.parse("99999999H")?.nanoseconds ?? 0 > 0)
    }

    @Test func binaryMetadataMayLackPadding() {
        var metadata = Metadata()
        metadata.append("a-bin", "AQI")
        metadata.append("b-bin", "AQI=")
        metadata.append("c-bin", "AQI,Aw==")
        metadata.append("d-bin", "!!")
        #expect(metadata.bytes("a-bin") == [1, 2])
        #expect(metadata.bytes("b-bin") == [1, 2])
        #expect(metadata.bytes("c-bin") == [1, 2])
        #expect(metadata.bytes("d-bin") == nil)
        metadata.append("e-bin", bytes: [255, 0, 1, 7])
        #expect(metadata["e-bin"]?.contains("=") == false)
        #expect(metadata.bytes("e-bin") == [255, 0, 1, 7])
    }

    @Test func statusTravelsInTrailers() {
        let status = Status(.aborted, "Version 3, nicht 2 — lade neu", details: [8, 10])
        #expect(Status(trailers: Metadata(received: status.trailers)) == status)
        for pushback in [0, 100, -1, .max] as [Int64] {
            let status = Status(.unavailable, "later", retryPushback: pushback)
            #expect(Metadata(received: status.trailers)["grpc-retry-pushback-ms"] == "\(pushback)")
            #expect(Status(trailers: Metadata(received: status.trailers)) == status)
        }
        var odd = Metadata()
        odd.append("grpc-status", "14")
        odd.append("grpc-retry-pushback-ms", "soon")
        #expect(Status(trailers: odd)?.retryPushback == -1)
    }

    @Test func longStatusesAreCutToWhatClientsTake() {
        let status = Status(.internal, String(repeating: "ü", count: 9_000), details: Array(repeating: 1, count: 9_000))
        let bytes = status.trailers.reduce(0) { $0 + $1.size }
        #expect(bytes < 8 << 10, "\(bytes) bytes of trailers")
        #expect(Status(trailers: Metadata(received: status.trailers))?.message.hasSuffix("…") == true)
    }

    @Test(arguments: ["a", "é", "漢", "🙂", "e\u{301}"])
    func aTextIsNeverCutInsideACharacter(piece: String) {
        let text = String(repeating: piece, count: 20)
        for limit in 0...text.utf8.count + 1 {
            let short = text.shortened(toBytes: limit)
            #expect(short.utf8.count <= limit)
            guard limit < text.utf8.count else {
                #expect(short == text)
                continue
            }
            #expect(short.isEmpty == (limit < 3) && (short.isEmpty || short.hasSuffix("…")))
            #expect(text.unicodeScalars.starts(with: short.unicodeScalars.dropLast()))
            #expect(limit < 3 || short.utf8.count > limit - 4, "as much as fits")
        }
    }

    @Test(arguments: [
        ("localhost:1", "localhost:1"), ("http://h:80/", "h:80"), ("h", "h:7420"), ("[::1]:9", "[::1]:9"),
        ("unix:/tmp/s", "unix:/tmp/s"), ("unix:///tmp/s", "unix:/tmp/s"),
    ])
    func endpointsAreRead(_ text: String, _ expected: String) {
        #expect(Endpoint(text)?.description == expected)
    }

    @Test(arguments: ["", ":1", "h:", "h:0", "h:70000", "h:x", "unix:", "unix:relative", "a/b"])
    func badEndpointsAreRefused(_ text: String) { #expect(Endpoint(text) == nil) }
}

@Suite struct DeframerTests {
    /// However a stream of messages is cut, the same messages come out.
    @Test func anySplitGivesTheSameMessages() throws {
        var random = SeededRandom(seed: 23)
        for _ in 0..<300 {
            let messages = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                ByteBuffer(bytes: (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
            }
            var wire = ByteBuffer()
            for message in messages { wire.writeImmutableBuffer(FramedMessage(message).content.whole) }
            var deframer = MessageDeframer(limit: 300)
            var received: [ByteBuffer] = []
            while wire.readableBytes > 0 {
                let count = Int.random(in: 1...min(wire.readableBytes, 64), using: &random)
                deframer.append(wire.readSlice(length: count) ?? ByteBuffer())
                while let message = try deframer.next() { received.append(message) }
            }
            #expect(received == messages)
            #expect(deframer.bufferedBytes == 0)
        }
    }

    /// The short way for bytes that are one message finds one exactly where the long way finds one and no rest.
    @Test func theShortWayAgreesWithTheLong() {
        var random = SeededRandom(seed: 29)
        for _ in 0..<5_000 {
            var bytes = FramedMessage(ByteBuffer(repeating: 7, count: Int.random(in: 0...12, using: &random))).content.whole
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.setInteger(UInt8.random(in: 0...2, using: &random), at: 0)
            case 1: bytes.setInteger(UInt32.random(in: 0...14, using: &random), at: 1)
            case 2: bytes = bytes.getSlice(at: 0, length: Int.random(in: 0...bytes.readableBytes, using: &random)) ?? bytes
            case 3: bytes.writeImmutableBuffer(bytes)
            default: break
            }
            var deframer = MessageDeframer(limit: 10)
            deframer.append(bytes)
            let message = try? deframer.next()
            let isWhole = message != nil && deframer.bufferedBytes == 0
            #expect(MessageDeframer.only(in: bytes, limit: 10) == (isWhole ? message : nil))
        }
    }

    /// Chunks that always end inside a message must not pile up behind it.
    @Test func messagesThatStraddleChunksAreLetGo() throws {
        let wire = FramedMessage(ByteBuffer(repeating: 7, count: 1_000)).content.whole
        var deframer = MessageDeframer(limit: 1_000)
        deframer.append(wire.getSlice(at: 0, length: 500) ?? ByteBuffer())
        for _ in 0..<2_000 {
            var chunk = ByteBuffer()
            chunk.writeImmutableBuffer(wire.getSlice(at: 500, length: 505) ?? ByteBuffer())
            chunk.writeImmutableBuffer(wire.getSlice(at: 0, length: 500) ?? ByteBuffer())
            deframer.append(chunk)
            #expect(try deframer.next()?.readableBytes == 1_000)
            #expect(try deframer.next() == nil)
        }
        #expect(deframer.pending.capacity < 64 << 10, "2 MB went through")
    }

    /// It is not copied again and again while it arrives.
    @Test func aLongMessageGetsItsRoomBeforeItsMegabytes() throws {
        let wire = FramedMessage(ByteBuffer(repeating: 7, count: 8 << 20)).content.whole
        var deframer = MessageDeframer(limit: 8 << 20)
        var capacities: Set<Int> = []
        for start in stride(from: 0, to: wire.readableBytes, by: 64 << 10) {
            #expect(try deframer.next() == nil)
            deframer.append(wire.getSlice(at: start, length: min(64 << 10, wire.readableBytes - start)) ?? ByteBuffer())
            if start >= 512 << 10 { capacities.insert(deframer.pending.storageCapacity) }
        }
        #expect(capacities.count == 1)
        #expect(try deframer.next()?.readableBytes == 8 << 20)
    }

    @Test func refusesFromThePrefixAlone() {
        var deframer = MessageDeframer(limit: 10)
        deframer.append(ByteBuffer(bytes: [0, 0, 0, 0, 11]))
        #expect(throws: MessageDeframer.Failure.tooLarge(announced: 11, limit: 10)) { try deframer.next() }
        var compressed = MessageDeframer(limit: 10)
        compressed.append(ByteBuffer(bytes: [1]))
        #expect(throws: MessageDeframer.Failure.compressed(.none)) { try compressed.next() }
        var unknown = MessageDeframer(limit: 10, encoding: .unknown("snappy"))
        unknown.append(ByteBuffer(bytes: [1]))
        #expect(throws: MessageDeframer.Failure.compressed(.unknown("snappy"))) { try unknown.next() }
        var odd = MessageDeframer(limit: 10)
        odd.append(ByteBuffer(bytes: [2]))
        #expect(throws: MessageDeframer.Failure.badFlag(2)) { try odd.next() }
    }
}

@Suite struct CallStateTests {
    /// The timer of the deadlines and the tick may fire in one turn of the event loop: the status was made, but not sent. A reset would
    /// overtake it, and the client would hear CANCELLED instead of DEADLINE_EXCEEDED.
    @Test func aStatusHasATickToBeSentBeforeItsStreamIsReset() {
        var state = CallState(kind: .unary)
        #expect(state.tickAfterDeadline() == .end)
        _ = state.finish()
        #expect(state.tickAfterDeadline() == .none)
        #expect(state.tickAfterDeadline() == .reset)
        #expect(state.tickAfterDeadline() == .reset)
    }

    @Test func unaryCallAnswersOnce() {
        var state = CallState(kind: .unary)
        #expect(state.receivedMessage() == .deliver)
        #expect(state.receivedEnd(incompleteBytes: 0) == .invokeUnary)
        #expect(state.send() == .headersThenMessage)
        #expect(state.finish() == .trailers)
        #expect(state.finish() == .drop)
        #expect(state.send() == .drop)
        #expect(state.closed() == false)
    }

    @Test func cardinalityIsChecked() {
        var none = CallState(kind: .unary)
        #expect(none.receivedEnd(incompleteBytes: 0).code == .unimplemented)
        var two = CallState(kind: .serverStreaming)
        #expect(two.receivedMessage() == .deliver)
        guard case .fail(let status) = two.receivedMessage() else { Issue.record("a second message passed"); return }
        #expect(status.code == .unimplemented)
        var torn = CallState(kind: .unary)
        #expect(torn.receivedEnd(incompleteBytes: 3).code == .internal)
    }

    @Test func afterAResetEverythingIsDropped() {
        var state = CallState(kind: .bidirectional)
        #expect(state.receivedMessage() == .deliver)
        #expect(state.closed() == true)
        #expect(state.receivedMessage() == .drop)
        #expect(state.receivedEnd(incompleteBytes: 0) == .drop)
        #expect(state.finish() == .drop)
    }
}

extension CallState.EndAction {
    var code: StatusCode? { if case .fail(let status) = self { status.code } else { nil } }
}

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct ReceiveCreditTests {
    @Test func aMessageLargerThanTheWindowKeepsArriving() {
        var credit = ReceiveCredit()
        #expect(credit.partial(buffered: 60) == 60)
        #expect(credit.partial(buffered: 100) == 40)
        #expect(credit.completed(wireBytes: 130) == 30)
    }

    @Test func nothingIsGivenAheadWhileMessagesWait() {
        var credit = ReceiveCredit()
        #expect(credit.completed(wireBytes: 50) == 50)
        #expect(credit.partial(buffered: 20) == 0)
        credit.taken()
        #expect(credit.partial(buffered: 20) == 20)
    }

    @Test func noMoreIsReturnedThanArrived() {
        var credit = ReceiveCredit()
        credit.received(30)
        #expect(credit.returning(20) == 20)
        #expect(credit.returning(20) == 10)
        #expect(credit.returning(20) == 0 && credit.unreturned == 0)
    }
}
