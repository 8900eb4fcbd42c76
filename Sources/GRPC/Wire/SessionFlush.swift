import HTTP2
import NIOCore
import NIOPosix

extension HTTP2Session {
    /// What is written at once. A larger piece would need memory that malloc maps and unmaps each time, which costs more than the write.
    private static let piece = 64 << 10

    /// Writes one piece of what is due, if the socket takes it; the rest goes when it is writable again.
    /// - Returns: the bytes written, and whether more may be due that the socket would take: other connections' turn comes first.
    func flush(to context: ChannelHandlerContext) throws(HTTP2Error) -> (bytes: Int, hasMore: Bool) {
        guard context.channel.isWritable else { return (0, false) }
        let output = OutputBuffer.ofThisThread
        var buffer = output.take()
        let more = try takeOutput(into: &buffer, limit: Self.piece)
        let bytes = buffer.readableBytes
        if bytes > 0 { context.writeAndFlush(NIOAny(buffer), promise: nil) }
        output.putBack(buffer)
        return (bytes, more && context.channel.isWritable)
    }
}

/// The memory that the connections of one event loop write from, one after the other. A write that the socket
/// takes at once, as nearly all are, needs no memory of its own, and an idle connection holds none.
///
/// `@unchecked Sendable`: each is made, kept and given out by `ofThisThread`, so that one thread sees it.
final class OutputBuffer: @unchecked Sendable {
    private static let ofThread = ThreadSpecificVariable<OutputBuffer>()
    private static let capacity = 16 << 10
    /// A buffer that had to grow more is let go.
    private static let maxCapacity = 128 << 10

    private var buffer = ByteBuffer()

    private init() {}

    static var ofThisThread: OutputBuffer {
        if let known = ofThread.currentValue { return known }
        let new = OutputBuffer()
        ofThread.currentValue = new
        return new
    }

    /// An empty buffer. `clear` allocates where the one before is still being written.
    func take() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &buffer)
        taken.clear(minimumCapacity: Self.capacity)
        return taken
    }

    func putBack(_ buffer: ByteBuffer) {
        if buffer.capacity <= Self.maxCapacity { self.buffer = buffer }
    }
}
