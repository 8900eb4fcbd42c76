import HTTP2
import NIOCore

extension HTTP2Session {
    /// What is written at once: with the frame that goes beyond it, it fits into the largest buffer that is kept. A larger one would be of
    /// memory that malloc maps and unmaps each time, which costs more than the write.
    private static let piece = ThreadBuffer.maxCapacity - (24 << 10)
    /// So many are written before other connections' turn comes: what a hundred small calls are answered.
    private static let piecesATurn = 2

    /// Writes what is due, as far as the socket takes it; the rest goes when it is writable again.
    /// - Returns: the bytes written, and whether more may be due that the socket would take: other connections' turn comes first.
    func flush(to context: ChannelHandlerContext) throws(HTTP2Error) -> (bytes: Int, hasMore: Bool) {
        let output = ThreadBuffer.output
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
