import HTTP2
import NIOCore

extension HTTP2Session {
    /// Writes what is due, in few large pieces, for as long as the socket takes it; the rest goes when it is writable again.
    func flush(to context: ChannelHandlerContext) throws(HTTP2Error) {
        var more = true
        while more, context.channel.isWritable {
            var buffer = context.channel.allocator.buffer(capacity: 16 << 10)
            more = try takeOutput(into: &buffer, limit: 256 << 10)
            if buffer.readableBytes > 0 { context.writeAndFlush(NIOAny(buffer), promise: nil) }
        }
    }
}
