import NIOCore

/// A message with its length prefix in front, ready for the wire.
public struct FramedMessage: Sendable, Equatable {
    let buffer: ByteBuffer

    /// Lets `write` fill exactly `size` bytes in place, so that an encoder needs no buffer of its own.
    public init(size: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
        var buffer = Self.prefixed(size)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { room in
            write(UnsafeMutableRawBufferPointer(rebasing: room[..<size]))
            return size
        }
        self.buffer = buffer
    }

    public init(_ message: ByteBuffer) {
        var buffer = Self.prefixed(message.readableBytes)
        buffer.writeImmutableBuffer(message)
        self.buffer = buffer
    }

    /// Bytes of the message without its prefix.
    public var messageBytes: Int { buffer.readableBytes - MessageDeframer.prefixBytes }

    private static func prefixed(_ size: Int) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: MessageDeframer.prefixBytes + size)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(clamping: size))
        return buffer
    }
}
