import Compression
import NIOCore
import Resources
import Testing

@testable import GRPC

/// Compressed messages without a connection: what is made of any bytes, within the bounds.
@Suite struct CompressionTests {
    private let codecs = CodecPool()

    private func text(_ bytes: Int) -> ByteBuffer {
        ByteBuffer(bytes: (0..<bytes).map { UInt8(ascii: "a") + UInt8($0 * $0 % 251 % 7) })
    }

    /// The message that a compressed one of the wire has.
    private func payload(_ message: FramedMessage) -> ByteBuffer {
        var wire = message.content.whole
        wire.moveReaderIndex(forwardBy: MessageDeframer.prefixBytes)
        return wire
    }

    private func decompress(_ bytes: ByteBuffer, _ compression: MessageCompression, limit: Int) throws(Decompression.Failure) -> ByteBuffer
    {
        try Decompression(bytes, compression, limit: limit, codecs: codecs).finish()
    }

    @Test(arguments: MessageCompression.allCases)
    func whatIsCompressedComesBack(_ compression: MessageCompression) throws {
        for size in [1_000, 16_384, 70_000, 1 << 20, 5 << 20] {
            let message = text(size)
            for framed in [
                FramedMessage(message), FramedMessage(FramedMessage.beginning(size: 0, rest: size) { _ in }, Array(buffer: message)),
            ] {
                let compressed = try #require(framed.compressed(compression, codecs))
                #expect(compressed.isCompressed && compressed.messageBytes < size && !framed.isCompressed)
                var deframer = MessageDeframer(limit: size, encoding: .known(compression))
                deframer.append(compressed.content.whole)
                #expect(deframer.isNextCompressed)
                let payload = try #require(try deframer.next())
                #expect(try decompress(payload, compression, limit: size) == message)
            }
        }
    }

    @Test(arguments: MessageCompression.allCases)
    func whatDoesNotShrinkStaysAsItIs(_ compression: MessageCompression) {
        var random = SeededRandom(seed: 3)
        for size in [0, 1, 20, 5_000, 100_000] {
            let noise = ByteBuffer(bytes: (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) })
            #expect(FramedMessage(noise).compressed(compression, codecs) == nil)
            #expect(FramedMessage(noise).sent(compression, codecs) == FramedMessage(noise))
        }
        let small = FramedMessage(text(MessageCompression.leastBytes - 1))
        #expect(small.sent(compression, codecs) == small && small.compressed(compression, codecs) != nil)
    }

    /// At the limit and one byte above it, however small the compressed bytes are.
    @Test(arguments: MessageCompression.allCases)
    func theLimitCountsWhatIsDecompressed(_ compression: MessageCompression) throws {
        for limit in [10_000, 65_536, 1 << 20] {
            let whole = payload(try #require(FramedMessage(text(limit)).compressed(compression, codecs)))
            #expect(try decompress(whole, compression, limit: limit).readableBytes == limit)
            let larger = payload(try #require(FramedMessage(text(limit + 1)).compressed(compression, codecs)))
            #expect(throws: Decompression.Failure.tooLarge(limit: limit)) { try decompress(larger, compression, limit: limit) }
        }
    }

    /// 64 MiB of zeros are refused when the limit is reached, not after them: the memory that was reserved says so.
    @Test(arguments: MessageCompression.allCases)
    func aBombIsRefusedWhileItIsDecompressed(_ compression: MessageCompression) throws {
        let bomb = payload(try #require(FramedMessage(ByteBuffer(repeating: 0, count: 64 << 20)).compressed(compression, codecs)))
        #expect(bomb.readableBytes < 400_000)
        let account = MemoryAccount(MemoryBudget(limit: 8 << 20))
        let work = try Decompression(bomb, compression, limit: 1 << 20, codecs: codecs)
        #expect(throws: Decompression.Failure.tooLarge(limit: 1 << 20)) { try work.finish(account) }
        // And where memory ends before the limit does.
        let poor = MemoryAccount(MemoryBudget(limit: 300_000))
        let other = try Decompression(bomb, compression, limit: 64 << 20, codecs: codecs)
        #expect(throws: Decompression.Failure.noMemory) { try other.finish(poor) }
    }

    @Test(arguments: MessageCompression.allCases)
    func tornAndLongMessagesAreRefused(_ compression: MessageCompression) throws {
        let whole = payload(try #require(FramedMessage(text(3_000)).compressed(compression, codecs)))
        for length in 0..<whole.readableBytes {
            let torn = try #require(whole.getSlice(at: whole.readerIndex, length: length))
            #expect(throws: Decompression.Failure.self, "\(length) bytes") { try decompress(torn, compression, limit: 3_000) }
        }
        var long = whole
        long.writeBytes([0])
        #expect(throws: Decompression.Failure.damaged("1 bytes follow its end")) { try decompress(long, compression, limit: 3_000) }
    }

    /// Whatever the bytes are, the work ends, within the limit.
    @Test(arguments: MessageCompression.allCases)
    func anyBytesEndSomehow(_ compression: MessageCompression) throws {
        var random = SeededRandom(seed: 41)
        let whole = payload(try #require(FramedMessage(text(20_000)).compressed(compression, codecs)))
        for round in 0..<3_000 {
            var bytes = whole
            if round % 2 == 0 {
                bytes = ByteBuffer(
                    bytes: (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
            } else {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let place = bytes.readerIndex + Int.random(in: 0..<bytes.readableBytes, using: &random)
                    bytes.setInteger(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            let result = Result { () throws(Decompression.Failure) in try decompress(bytes, compression, limit: 20_000) }
            if case .success(let message) = result { #expect(message.readableBytes <= 20_000) }
        }
        #expect(try decompress(whole, compression, limit: 20_000) == text(20_000), "the pool's decoders are as good as new")
    }

    /// A frame of zstd names the window that its decoder needs: no more than 8 MiB (RFC 9659).
    @Test func aWindowThatIsTooLargeIsRefused() throws {
        // Magic number, no content size, window descriptor, a raw block that is the last one and empty (RFC 8878 §3.1.1).
        func frame(windowLog: UInt8) -> ByteBuffer { ByteBuffer(bytes: [0x28, 0xB5, 0x2F, 0xFD, 0, (windowLog - 10) << 3, 1, 0, 0]) }
        #expect(try decompress(frame(windowLog: 23), .zstd, limit: 10) == ByteBuffer())
        #expect(throws: Decompression.Failure.self) { try decompress(frame(windowLog: 24), .zstd, limit: 10) }
        // What it has of that window counts.
        let account = MemoryAccount(MemoryBudget(limit: 4 << 20))
        let work = try Decompression(frame(windowLog: 23), .zstd, limit: 10, codecs: codecs)
        #expect(throws: Decompression.Failure.noMemory) { try work.finish(account) }
    }

    @Test func cancelledWorkEnds() throws {
        let whole = payload(try #require(FramedMessage(text(1 << 20)).compressed(.gzip, codecs)))
        let work = try Decompression(whole, .gzip, limit: 1 << 20, codecs: codecs)
        #expect(try work.advance(1_000) == nil)
        work.cancel()
        #expect(throws: Decompression.Failure.cancelled) { try work.finish() }
    }

    @Test(arguments: [
        ("gzip", true), ("identity,deflate,gzip", true), ("identity, deflate, gzip", true), (" gzip ,zstd", true), ("", false),
        ("identity", false), ("gzipped", false), ("x-gzip", false), (nil, false), ("gz ip", false),
    ])
    func acceptedEncodingsAreRead(_ list: String?, _ isAccepted: Bool) {
        #expect(MessageCompression.gzip.isAccepted(by: list) == isAccepted)
    }

    @Test func theBestEncodingIsPreferred() {
        #expect(MessageCompression.preferred(of: "identity,deflate,gzip,zstd") == .zstd)
        #expect(MessageCompression.preferred(of: "identity, deflate, gzip") == .gzip)
        #expect(MessageCompression.preferred(of: "identity") == nil && MessageCompression.preferred(of: nil) == nil)
        #expect(MessageEncoding(nil) == .none && MessageEncoding("identity") == .none)
        #expect(MessageEncoding("zstd") == .known(.zstd) && MessageEncoding("snappy") == .unknown("snappy"))
        #expect(MessageCompression.allCases.allSatisfy { MessageCompression(code: $0.code) == $0 } && MessageCompression(code: 0) == nil)
        #expect(MessageCompression.accepted == "identity,gzip,deflate,zstd")
    }
}
