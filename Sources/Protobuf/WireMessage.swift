public import CProtobufC

/// protobuf-c's description of a message: its names, fields and numbers.
public typealias MessageDescriptor = ProtobufCMessageDescriptor

/// A Swift value that mirrors a protobuf message, and its conversion from and to protobuf-c's struct.
///
/// Decoding copies everything out of the C struct; nothing points into it afterwards. Unknown fields are dropped, unknown enum values kept;
/// if a map has a key twice, the last one counts.
public protocol WireMessage: Sendable {
    /// The struct that protobuf-c generated; it begins with a `ProtobufCMessage`.
    associatedtype C
    /// protobuf-c's description of the message.
    static var descriptor: UnsafePointer<MessageDescriptor> { get }
    /// Copies a decoded struct. Throws `WireError.invalidUTF8`.
    init(_ c: C) throws(WireError)
    /// Writes into an initialised struct; what it points at lives in the arena.
    func fill(_ c: UnsafeMutablePointer<C>, _ arena: inout Arena)
}

// Inlinable, like everything generic here, so that it is specialised where the messages are: looking up
// metadata at run time took a fifth of a call.
extension WireMessage {
    /// The message's full name, such as `flowstate.v1.SaveStateRequest`.
    public static var fullName: String { String(cString: descriptor.pointee.name) }

    /// Decodes one message, which all of `bytes` must be.
    ///
    /// - Parameter ceiling: The memory in bytes that decoding may take; nil: `Arena.ceiling(wireBytes:)`.
    @inlinable
    public static func decode(_ bytes: UnsafeRawBufferPointer, ceiling: Int? = nil) throws(WireError) -> Self {
        let ceiling = ceiling ?? Arena.ceiling(wireBytes: bytes.count)
        if bytes.count > Arena.stackBytes / 4 {
            return try decode(bytes, ceiling, Arena(ceiling: ceiling, firstChunk: bytes.count + bytes.count / 8 + 1024))
        }
        return try withUnsafeTemporaryAllocation(
            byteCount: Arena.stackBytes, alignment: Arena.alignment
        ) { memory throws(WireError) in
            try decode(bytes, ceiling, Arena(ceiling: ceiling, in: memory))
        }
    }

    @inlinable
    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ ceiling: Int, _ arena: borrowing Arena
    ) throws(WireError) -> Self {
        let message = protobuf_c_message_unpack(
            descriptor, arena.allocator, bytes.count,
            bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        guard let message else {
            throw arena.isExhausted ? .tooMuchMemory(limit: ceiling) : .malformed
        }
        return try message.withMemoryRebound(to: C.self, capacity: 1) { c throws(WireError) in
            try Self(c.pointee)
        }
    }

    /// Decodes one message, which all of `bytes` must be.
    @inlinable
    public static func decode(_ bytes: [UInt8], ceiling: Int? = nil) throws(WireError) -> Self {
        var result: Result<Self, WireError> = .failure(.malformed)
        bytes.withUnsafeBytes { buffer in
            result = Result { () throws(WireError) in try decode(buffer, ceiling: ceiling) }
        }
        return try result.get()
    }

    /// Builds the C struct once and passes a `Packer`, which has its encoded size and writes it, so that the caller can make room in its
    /// own buffer and have the message written there.
    @inlinable
    public func withPacker<R, E: Error>(_ body: (borrowing Packer) throws(E) -> R) throws(E) -> R {
        try withUnsafeTemporaryAllocation(byteCount: Arena.stackBytes, alignment: Arena.alignment) { memory throws(E) in
            var arena = Arena(ceiling: .max, in: memory)
            let c = arena.make(self)
            return try body(Packer(UnsafeRawPointer(c).assumingMemoryBound(to: ProtobufCMessage.self)))
        }
    }

    /// The encoded message.
    @inlinable
    public func encoded() -> [UInt8] {
        withPacker { packer in
            [UInt8](unsafeUninitializedCapacity: packer.size) { buffer, count in
                packer.pack(into: UnsafeMutableRawBufferPointer(buffer))
                count = packer.size
            }
        }
    }
}

/// An encoding that is ready to be written; valid inside `WireMessage.withPacker` only.
public struct Packer: ~Copyable {
    private let message: UnsafePointer<ProtobufCMessage>
    /// The encoded size in bytes.
    public let size: Int

    @usableFromInline
    init(_ message: UnsafePointer<ProtobufCMessage>) {
        self.message = message
        size = protobuf_c_message_get_packed_size(message)
    }

    /// Writes `size` bytes to the beginning of `buffer`, which must have room for them.
    public func pack(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= size, "the buffer is smaller than the message")
        protobuf_c_message_pack(message, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
}
