import NIOCore

/// A message with its length prefix in front, ready for the wire.
public struct FramedMessage: Sendable, Equatable {
    let buffer: ByteBuffer

    /// Lets `write` fill exactly `size` bytes in place, so that an encoder needs no buffer of its own.
    public init(size: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
        let whole = MessageDeframer.prefixBytes + size
        var buffer = ByteBufferAllocator().buffer(capacity: whole)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: whole) { room in
            room.storeBytes(of: 0, as: UInt8.self)
            room.storeBytes(of: UInt32(clamping: size).bigEndian, toByteOffset: 1, as: UInt32.self)
            write(UnsafeMutableRawBufferPointer(rebasing: room[MessageDeframer.prefixBytes..<whole]))
            return whole
        }
        self.buffer = buffer
    }

    public init(_ message: ByteBuffer) {
        self.init(size: message.readableBytes) { room in
            message.withUnsafeReadableBytes { room.copyMemory(from: $0) }
        }
    }

    /// Bytes of the message without its prefix.
    public var messageBytes: Int { buffer.readableBytes - MessageDeframer.prefixBytes }
}
