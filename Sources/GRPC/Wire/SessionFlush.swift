import HTTP2
import NIOCore
import NIOPosix

extension HTTP2Session {
    /// What is written at once: with the frame that goes beyond it, it fits into the largest buffer that is kept. A larger one would be of
    /// memory that malloc maps and unmaps each time, which costs more than the write.
    private static let piece = OutputBuffer.maxCapacity - (24 << 10)
    /// So many are written before other connections' turn comes: what a hundred small calls are answered.
    private static let piecesATurn = 2

    /// Writes what is due, as far as the socket takes it; the rest goes when it is writable again.
    /// - Returns: the bytes written, and whether more may be due that the socket would take: other connections' turn comes first.
    func flush(to context: ChannelHandlerContext) throws(HTTP2Error) -> (bytes: Int, hasMore: Bool) {
        let output = OutputBuffer.ofThisThread
        var (bytes, hasMore) = (0, true)
        for _ in 0..<Self.piecesATurn where hasMore {
            guard context.channel.isWritable else { return (bytes, false) }
            var buffer = output.take()
            hasMore = try takeOutput(into: &buffer, limit: Self.piece)
            bytes += buffer.readableBytes
            if buffer.readableBytes > 0 { context.writeAndFlush(NIOAny(buffer), promise: nil) }
            output.putBack(buffer)
        }
        return (bytes, hasMore && context.channel.isWritable)
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
    static let maxCapacity = 128 << 10

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
