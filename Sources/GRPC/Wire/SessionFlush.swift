import HTTP2
import NIOCore

extension HTTP2Session {
    /// What is written at once, before other connections' turn comes: what a hundred small calls are answered, since two writes instead of
    /// one cost some percent of all loads. With the frame that goes beyond it, it fits into the largest buffer that is kept. A larger one
    /// would be of memory that malloc maps and unmaps each time, which costs more than the write.
    private static let piece = ThreadBuffer.maxCapacity - (24 << 10)

    /// Up to so many bytes get a buffer of their own size, which takes less time than the write.
    private static let copied = 4 << 10

    /// Writes what is due, as far as the socket takes it; the rest goes when it is writable again.
    /// - Returns: the bytes written; those of the buffer that holds them until the socket has taken the last one; and whether more may be due
    ///   that the socket would take: other connections' turn comes first.
    func flush(to context: ChannelHandlerContext) throws(HTTP2Error) -> (bytes: Int, held: Int, hasMore: Bool) {
        guard context.channel.isWritable else { return (0, 0, false) }
        var buffer = ThreadBuffer.output.take()
        let hasMore = try takeOutput(into: &buffer, limit: Self.piece)
        let bytes = buffer.readableBytes
        // What is small does not hold a large buffer while it waits for the socket; a hundred such may.
        let isSmall = 1...Self.copied ~= bytes && bytes < buffer.storageCapacity
        let written = isSmall ? context.channel.allocator.buffer(buffer: buffer) : buffer
        if bytes > 0 { context.writeAndFlush(NIOAny(written), promise: nil) }
        ThreadBuffer.output.putBack(buffer)
        return (bytes, written.storageCapacity, hasMore && context.channel.isWritable)
    }
}
