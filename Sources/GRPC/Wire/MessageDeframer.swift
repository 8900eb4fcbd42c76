import NIOCore

/// Cuts a byte stream into gRPC's length-prefixed messages, however the bytes were split:
///
///     ┌──────────┬────────────────────┬─────────────┐
///     │ flag: u8 │ length: u32, big-e │ length bytes│
///     └──────────┴────────────────────┴─────────────┘
///
/// The flag must be 0. Compressed messages (1) are refused, whatever their `grpc-encoding`; uncompressed ones are accepted under any.
struct MessageDeframer {
    static let prefixBytes = 5

    enum Failure: Error, Equatable {
        /// The prefix announces more than `limit` bytes. Nothing of the message was kept.
        case tooLarge(announced: Int, limit: Int)
        /// A compressed message, in a call with this `grpc-encoding`.
        case compressed(encoding: String?)
        case badFlag(UInt8)

        var status: Status {
            switch self {
            case .tooLarge(let announced, let limit):
                Status(
                    .resourceExhausted,
                    "the message has \(announced) bytes, more than the limit of \(limit); send less, or raise the limit",
                    refusal: .tooLarge(size: announced, limit: limit))
            case .compressed(nil), .compressed("identity"):
                Status(.internal, "a compressed message without grpc-encoding; send it as identity")
            case .compressed(let encoding?):
                Status(.unimplemented, "the message encoding \(Status.short(encoding)) is not supported; send identity")
            case .badFlag(let flag):
                Status(.internal, "a message's compressed flag is \(flag); it must be 0 or 1")
            }
        }
    }

    /// The message if the bytes are exactly one valid message, as most requests are: nothing needs to be kept then.
    static func only(in bytes: ByteBuffer, limit: Int) -> ByteBuffer? {
        let length = bytes.readableBytes - prefixBytes
        guard length >= 0, length <= limit else { return nil }
        let isWhole = bytes.withUnsafeReadableBytes { bytes in
            bytes[0] == 0 && UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)) == length
        }
        return isWhole ? bytes.getSlice(at: bytes.readerIndex + prefixBytes, length: length) : nil
    }

    let limit: Int
    /// The call's `grpc-encoding`.
    let encoding: String?
    private(set) var pending = ByteBuffer()

    init(limit: Int, encoding: String? = nil) {
        self.limit = limit
        self.encoding = encoding
    }

    /// Bytes kept of messages that are not complete yet.
    var bufferedBytes: Int { pending.readableBytes }

    mutating func append(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 {
            // As a rule a whole message arrives at once and is handed on without a copy.
            pending = bytes
        } else {
            // Only the partial message is kept: a stream of messages that straddle chunks would otherwise never release its memory.
            pending.discardReadBytes()
            pending.writeImmutableBuffer(bytes)
        }
    }

    /// Keeps no more memory than the partial message needs.
    mutating func settle() { pending = pending.settled }

    /// The next whole message, or nil until more bytes come.
    mutating func next() throws(Failure) -> ByteBuffer? {
        let start = pending.readerIndex
        guard let flag = pending.getInteger(at: start, as: UInt8.self) else { return nil }
        if flag == 1 { throw .compressed(encoding: encoding) }
        if flag > 1 { throw .badFlag(flag) }
        guard let length = pending.getInteger(at: start + 1, as: UInt32.self) else { return nil }
        guard Int(length) <= limit else { throw .tooLarge(announced: Int(length), limit: limit) }
        guard let message = pending.getSlice(at: start + Self.prefixBytes, length: Int(length)) else { return nil }
        pending.moveReaderIndex(forwardBy: Self.prefixBytes + Int(length))
        if pending.readableBytes == 0 { pending = ByteBuffer() }
        return message
    }
}
