import Compression
import NIOCore
import Resources
import Synchronization

/// Decompresses one message within bounds of size, memory and time: whatever its bytes say, no more is made of them than the limit of a
/// message, and of that no more at a time than the caller asks for.
///
/// `@unchecked Sendable`: one thread at a time works with it (`ServerCall` hands it from its event loop to a thread of the scheduler, and
/// does not touch it again but by `cancel`); `isCancelled` is atomic.
final class Decompression: @unchecked Sendable {
    enum Failure: Error, Equatable {
        /// The message would have more bytes than the limit.
        case tooLarge(limit: Int)
        case damaged(String)
        /// There is no memory for it.
        case noMemory
        /// Its call is over.
        case cancelled

        /// - Parameter overloaded: the status of a call for which there is no memory.
        func status(overloaded: Status) -> Status {
            switch self {
            case .tooLarge(let limit):
                Status(
                    .resourceExhausted,
                    "the message has more than the limit of \(limit) bytes when it is decompressed; send less, or raise the limit",
                    refusal: .tooLarge(size: limit + 1, limit: limit))
            case .damaged(let reason): Status(.internal, "a message cannot be decompressed: \(reason)")
            case .noMemory: overloaded
            case .cancelled: Status(.cancelled)
            }
        }
    }

    /// Bytes that are made, or taken, between two looks at whether anyone still waits.
    private static let piece = 64 << 10
    /// Of the output at first: most messages grow to four times their compressed size or less.
    private static let leastRoom = 4 << 10
    private static let usualFactor = 4

    private var input: ByteBuffer
    private var output = ByteBuffer()
    /// Bytes that the output may have before it must grow.
    private var room: Int
    private let limit: Int
    private let codecs: CodecPool
    private let decoder: ByteDecoder
    private let isCancelled = Atomic(false)
    /// What the memory is reserved in. Without one, the output is small.
    private var account: MemoryAccount?
    /// Bytes reserved for the decoder, whose window is as large as a message of zstd says.
    private var decoderBytes = 0
    /// Bytes of the message as it came.
    let compressedBytes: Int

    init(_ message: ByteBuffer, _ compression: MessageCompression, limit: Int, codecs: CodecPool) throws(Failure) {
        input = message
        compressedBytes = message.readableBytes
        self.limit = limit
        self.codecs = codecs
        // One byte more than the limit, which a message that is too large fills.
        room = min(max(Self.leastRoom, Self.usualFactor * message.readableBytes), limit + 1)
        do {
            decoder = try codecs.decoder(compression.coding)
        } catch {
            throw .noMemory
        }
    }

    deinit { codecs.putBack(decoder) }

    /// Ends the work of another thread at its next piece.
    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    /// Goes on until about so many bytes were taken and made, or the message is complete.
    /// - Returns: the message; nil: there is more to do.
    func advance(_ bytes: Int) throws(Failure) -> ByteBuffer? {
        if output.capacity == 0 { output.reserveCapacity(room) }
        var left = bytes
        while left > 0 {
            if isCancelled.load(ordering: .relaxed) { throw .cancelled }
            if output.readableBytes == room { try grow() }
            let step = try step(min(room - output.readableBytes, Self.piece))
            if output.readableBytes > limit { throw .tooLarge(limit: limit) }
            if step.isDone {
                guard input.readableBytes == 0 else { throw .damaged("\(input.readableBytes) bytes follow its end") }
                return output
            }
            if step.made == 0, step.taken == 0 { throw .damaged("it ends too early") }
            left -= step.made + step.taken
        }
        return nil
    }

    /// The whole message, with its memory reserved in `account`.
    func finish(_ account: MemoryAccount) throws(Failure) -> ByteBuffer {
        self.account = account
        guard account.reserve(room) else { throw .noMemory }
        return try finish()
    }

    /// The whole message. Large buffers are freed here, on the thread that did the work, rather than on an event loop that hears of its end.
    func finish() throws(Failure) -> ByteBuffer {
        defer { (input, output) = (ByteBuffer(), ByteBuffer()) }
        while true {
            if let message = try advance(Self.piece) { return message }
        }
    }

    private func step(_ bytes: Int) throws(Failure) -> DecodingStep {
        var result: Result<DecodingStep, CodingError> = .failure(.noMemory)
        input.withUnsafeReadableBytes { source in
            let piece = UnsafeRawBufferPointer(rebasing: source[..<min(source.count, Self.piece)])
            _ = output.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes) { target in
                let place = UnsafeMutableRawBufferPointer(rebasing: target[..<bytes])
                result = Result { () throws(CodingError) in try decoder.step(piece, into: place) }
                return (try? result.get().made) ?? 0
            }
        }
        switch result {
        case .failure(let error): throw error.failure
        case .success(let step):
            input.moveReaderIndex(forwardBy: step.taken)
            try reserveDecoder()
            return step
        }
    }

    private func reserveDecoder() throws(Failure) {
        guard let account, decoder.memoryBytes > decoderBytes else { return }
        guard account.reserve(decoder.memoryBytes - decoderBytes) else { throw .noMemory }
        decoderBytes = decoder.memoryBytes
    }

    /// Twice the room, reserved before it is there; the bytes are copied, so for a moment there are both.
    private func grow() throws(Failure) {
        let larger = min(2 * room, limit + 1)
        if let account {
            guard account.reserve(larger) else { throw .noMemory }
            defer { account.release(room) }
            output.reserveCapacity(larger)
        } else {
            output.reserveCapacity(larger)
        }
        room = larger
    }
}

extension CodingError {
    fileprivate var failure: Decompression.Failure {
        switch self {
        case .noMemory: .noMemory
        case .damaged(let reason): .damaged(reason)
        }
    }
}
