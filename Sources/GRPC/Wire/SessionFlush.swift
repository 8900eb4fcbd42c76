import HTTP2
import NIOCore

extension HTTP2Session {
    /// Bytes written at once, before other connections get their turn: the responses of a hundred small calls, since two writes instead of
    /// one cost some percent of the throughput of loads. With the frame that exceeds it, it fits into the largest buffer that is kept;
    /// malloc would map and unmap a larger one each time, which costs more than the write.
    private static let piece = ThreadBuffer.maxCapacity - (24 << 10)

    /// Up to so many bytes are copied into a buffer of their own size, which takes less time than the write.
    private static let copied = 4 << 10

    /// Writes what is due, as far as the socket takes it; the rest follows when the socket is writable again.
    /// - Returns: the bytes written; the capacity of the buffer that holds them until the socket has taken the last one; and whether more
    ///   may be due that the socket would take, after other connections had their turn.
    func flush(to context: ChannelHandlerContext) throws(HTTP2Error) -> (bytes: Int, held: Int, hasMore: Bool) {
        guard context.channel.isWritable else { return (0, 0, false) }
        var buffer = ThreadBuffer.output.take()
        let hasMore = try takeOutput(into: &buffer, limit: Self.piece)
        let bytes = buffer.readableBytes
        // A small output does not hold a large buffer while it waits for the socket; a hundred of them may wait.
        let isSmall = 1...Self.copied ~= bytes && bytes < buffer.storageCapacity
        let written = isSmall ? context.channel.allocator.buffer(buffer: buffer) : buffer
        if bytes > 0 { context.writeAndFlush(NIOAny(written), promise: nil) }
        ThreadBuffer.output.putBack(buffer)
        return (bytes, written.storageCapacity, hasMore && context.channel.isWritable)
    }
}
