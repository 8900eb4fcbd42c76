import Compression
import HTTP2
import NIOCore
import Protobuf

/// A message with its length prefix in front, ready for the wire.
public struct FramedMessage: Sendable, Equatable {
    let content: OutboundContent

    /// A larger message has a `ByteBuffer`, which the connection lets another thread free; an array is one allocation instead of two.
    private static let mostInArray = 64 << 10

    /// Lets `write` fill exactly `size` bytes in place, so that an encoder needs no buffer of its own.
    public init(size: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
        if size <= Self.mostInArray {
            content = .arrays(Self.beginning(size: size, rest: 0, write), [])
            return
        }
        let whole = MessageDeframer.prefixBytes + size
        var buffer = ByteBufferAllocator().buffer(capacity: whole)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: whole) { room in
            Self.fill(UnsafeMutableRawBufferPointer(rebasing: room[..<whole]), rest: 0, write)
            return whole
        }
        content = .buffer(buffer)
    }

    /// A copy of an encoded message.
    public init(_ message: ByteBuffer) {
        self.init(size: message.readableBytes) { room in
            message.withUnsafeReadableBytes { room.copyMemory(from: $0) }
        }
    }

    /// A message that shares its parts: what `beginning` has made, and the bytes that follow. A large one is copied, since whatever holds
    /// parts last frees them.
    package init(_ beginning: [UInt8], _ rest: [UInt8]) {
        let content = OutboundContent.arrays(beginning, rest)
        self.content = content.count - MessageDeframer.prefixBytes <= Self.mostInArray ? content : .buffer(content.whole)
    }

    /// The length prefix of a message, and its first `size` bytes, which `write` fills; `rest` more bytes follow.
    package static func beginning(size: Int, rest: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
        let whole = MessageDeframer.prefixBytes + size
        return [UInt8](unsafeUninitializedCapacity: whole) { bytes, count in
            fill(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[..<whole]), rest: rest, write)
            count = whole
        }
    }

    /// The same message, compressed; nil when it would not be smaller.
    func compressed(_ compression: MessageCompression, _ codecs: CodecPool) -> FramedMessage? {
        let prefix = MessageDeframer.prefixBytes
        // One byte less than the message has, so that what is not smaller does not fit.
        let most = messageBytes - 1
        guard most > 0, !isCompressed else { return nil }
        var buffer = ByteBufferAllocator().buffer(capacity: prefix + most)
        var size: Int?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: prefix + most) { room in
            let target = UnsafeMutableRawBufferPointer(rebasing: room[prefix..<prefix + most])
            size = content.withParts(from: prefix) { parts in
                codecs.withEncoder(compression.coding) { $0.encode(parts, into: target) } ?? nil
            }
            guard let size else { return 0 }
            room.storeBytes(of: 1, as: UInt8.self)
            room.storeBytes(of: UInt32(clamping: size).bigEndian, toByteOffset: 1, as: UInt32.self)
            return prefix + size
        }
        return size == nil ? nil : FramedMessage(content: .buffer(buffer.settled))
    }

    /// The message as it is sent with a compression: compressed if that pays.
    func sent(_ compression: MessageCompression, _ codecs: CodecPool) -> FramedMessage {
        messageBytes >= MessageCompression.leastBytes ? compressed(compression, codecs) ?? self : self
    }

    private init(content: OutboundContent) { self.content = content }

    /// Whether its flag says so.
    var isCompressed: Bool {
        switch content {
        case .buffer(let buffer): buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) == 1
        case .arrays(let beginning, _): beginning.first == 1
        }
    }

    private static func fill(_ room: UnsafeMutableRawBufferPointer, rest: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
        let message = UnsafeMutableRawBufferPointer(rebasing: room[MessageDeframer.prefixBytes...])
        room.storeBytes(of: 0, as: UInt8.self)
        room.storeBytes(of: UInt32(clamping: message.count + rest).bigEndian, toByteOffset: 1, as: UInt32.self)
        write(message)
    }

    /// Bytes of the message without its prefix.
    public var messageBytes: Int { content.count - MessageDeframer.prefixBytes }
}

extension OutboundContent {
    /// Lends the bytes from `offset` on, which is within the first part.
    fileprivate func withParts<R>(from offset: Int, _ body: ([UnsafeRawBufferPointer]) -> R) -> R {
        switch self {
        case .buffer(let buffer): buffer.withUnsafeReadableBytes { body([UnsafeRawBufferPointer(rebasing: $0[offset...])]) }
        case .arrays(let first, let second):
            first.withUnsafeBytes { first in
                second.withUnsafeBytes { body([UnsafeRawBufferPointer(rebasing: first[offset...]), $0]) }
            }
        }
    }
}

// Inlinable, like what they call (`WireMessage`), so that they are specialised for each message in the module of the methods.
extension FramedMessage {
    /// Encodes a message straight into the buffer that is sent.
    @inlinable
    package init(encoding message: some WireMessage) {
        self = message.withPacker { packer in
            FramedMessage(size: packer.size) { packer.pack(into: $0) }
        }
    }
}

extension WireMessage {
    /// Decodes what a call received.
    /// - Parameter ceiling: bytes of memory that decoding may take.
    @inlinable
    package static func decode(_ message: ByteBuffer, ceiling: Int) throws(WireError) -> Self {
        var result: Result<Self, WireError> = .failure(.malformed)
        message.withUnsafeReadableBytes { bytes in
            result = Result { () throws(WireError) in try decode(bytes, ceiling: ceiling) }
        }
        return try result.get()
    }
}

extension Status {
    /// A request that cannot be decoded.
    package init(_ error: WireError, type: String) {
        switch error {
        case .malformed:
            self.init(.invalidArgument, "the request is not a \(type) message: its bytes are not valid protobuf")
        case .invalidUTF8(let field):
            self.init(.invalidArgument, "\(field) is not valid UTF-8")
        case .invalidDuration(let field):
            self.init(
                .invalidArgument,
                "\(field) is not a duration: seconds (±315,576,000,000) and nanos (±999,999,999) must be in range and have the same sign"
            )
        case .tooMuchMemory(let limit):
            self.init(.resourceExhausted, "decoding the \(type) takes more than \(limit) bytes of memory; send less")
        }
    }
}

/// Cuts a byte stream into gRPC's length-prefixed messages, however the bytes were split:
///
///     ┌──────────┬────────────────────┬─────────────┐
///     │ flag: u8 │ length: u32, big-e │ length bytes│
///     └──────────┴────────────────────┴─────────────┘
///
/// The flag is 1 for a compressed message, which needs a `grpc-encoding` that is known; an uncompressed one (0) is accepted under any.
struct MessageDeframer {
    static let prefixBytes = 5

    enum Failure: Error, Equatable {
        /// The prefix announces more than `limit` bytes. Nothing of the message was kept.
        case tooLarge(announced: Int, limit: Int)
        /// A compressed message, in a call without `grpc-encoding`, or with one that is not known.
        case compressed(MessageEncoding)
        case badFlag(UInt8)

        var status: Status {
            switch self {
            case .tooLarge(let announced, let limit):
                Status(
                    .resourceExhausted,
                    "the message has \(announced) bytes, more than the limit of \(limit); send less, or raise the limit",
                    refusal: .tooLarge(size: announced, limit: limit))
            case .compressed(.unknown(let name)):
                Status(
                    .unimplemented,
                    "the message encoding \(name.shortened(toBytes: 64)) is not supported; send one of \(MessageCompression.accepted)")
            case .compressed:
                Status(.internal, "a compressed message without grpc-encoding; name its encoding, or send it uncompressed")
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
    let encoding: MessageEncoding
    private(set) var pending = ByteBuffer()

    init(limit: Int, encoding: MessageEncoding = .none) {
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
            if pending.writableBytes < bytes.readableBytes { makeRoom(for: bytes.readableBytes) }
            pending.writeImmutableBuffer(bytes)
        }
    }

    /// Messages up to this size get their whole room at once; larger ones twice what has arrived, since the rest may never come.
    private static let wholeRoom = 16 << 10
    /// When so much has arrived the rest gets its room too: to copy 8 MiB would take milliseconds. Such a buffer has a mapping of its own,
    /// and room that nothing was written to is not resident.
    private static let mappedBytes = 256 << 10

    /// Copies the partial message into a buffer of its own: a stream of messages that straddle chunks would otherwise never release its
    /// memory.
    private mutating func makeRoom(for bytes: Int) {
        let kept = pending.readableBytes
        let length = pending.getInteger(at: pending.readerIndex + 1, as: UInt32.self).map { Self.prefixBytes + min(Int($0), limit) } ?? 0
        let isLong = kept + bytes >= Self.mappedBytes
        let room = max(kept + bytes, isLong ? length : min(length, max(2 * (kept + bytes), Self.wholeRoom)))
        var buffer = ByteBufferAllocator().buffer(capacity: room)
        buffer.writeImmutableBuffer(pending)
        pending = buffer
    }

    /// Keeps no more memory than the partial message needs.
    mutating func settle() {
        if pending.readableBytes < Self.mappedBytes { pending = pending.settled }
    }

    /// Whether the message that `next` returns next is compressed.
    var isNextCompressed: Bool { pending.getInteger(at: pending.readerIndex, as: UInt8.self) == 1 }

    /// The next whole message, or nil until more bytes come.
    mutating func next() throws(Failure) -> ByteBuffer? {
        let start = pending.readerIndex
        guard let flag = pending.getInteger(at: start, as: UInt8.self) else { return nil }
        if flag == 1, encoding.compression == nil { throw .compressed(encoding) }
        if flag > 1 { throw .badFlag(flag) }
        guard let length = pending.getInteger(at: start + 1, as: UInt32.self) else { return nil }
        guard Int(length) <= limit else { throw .tooLarge(announced: Int(length), limit: limit) }
        guard let message = pending.getSlice(at: start + Self.prefixBytes, length: Int(length)) else { return nil }
        pending.moveReaderIndex(forwardBy: Self.prefixBytes + Int(length))
        if pending.readableBytes == 0 { pending = ByteBuffer() }
        return message
    }
}

/// The receiving half of a call, of servers and clients alike: decides when received bytes are returned to the sender's flow-control window (RFC 9113 §5.2). Pure.
///
/// The bytes of a whole message are returned when it is taken. The bytes of a message still arriving are returned at once, or one larger
/// than the window would never arrive; but only while no whole message waits to be taken, or a sender of messages that straddle frames
/// would get ahead of its reader without bound.
struct ReceiveCredit {
    /// Whole messages that were not taken yet.
    private(set) var waiting = 0
    private var ahead = 0
    /// Bytes that were received and not returned yet.
    private(set) var unreturned = 0

    mutating func received(_ bytes: Int) { unreturned += bytes }

    /// - Returns: how many of `bytes` to return to the window: never more than arrived.
    mutating func returning(_ bytes: Int) -> Int {
        let bytes = max(0, min(bytes, unreturned))
        unreturned -= bytes
        return bytes
    }

    /// A message is complete: the bytes to return once it is taken.
    mutating func completed(wireBytes: Int) -> Int {
        defer { ahead = 0 }
        waiting += 1
        return wireBytes - ahead
    }

    /// A message was taken.
    mutating func taken() { waiting -= 1 }

    /// The bytes to return now, of `buffered` that wait for the rest of their message.
    mutating func partial(buffered: Int) -> Int {
        guard waiting == 0 else { return 0 }
        defer { ahead = buffered }
        return buffered - ahead
    }
}
