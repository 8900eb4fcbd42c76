import Logging
import NIOCore

/// Says when connections cannot be accepted, for want of descriptors as a rule. `AcceptBackoffHandler` before it pauses for a second
/// each time, so that the loop does not spin; those that wait stay in the listen queue.
final class AcceptWatch: ChannelInboundHandler {
    typealias InboundIn = Channel

    private let logger: Logger
    private let line = RareLine("a connection could not be accepted; the next attempt is in a second")

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        line.say(logger, ["error": "\(error)"])
        // What is no fault of the system's goes the usual way.
        if !(error is IOError) { context.fireErrorCaught(error) }
    }
}

/// A connection for which there is no place: it is told so (GOAWAY, ENHANCE_YOUR_CALM) and closed.
final class RefusedConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// An empty SETTINGS frame, and GOAWAY: no stream was looked at (RFC 9113 §6.5, §6.8).
    private static let farewell: [UInt8] =
        [0, 0, 0, 4, 0, 0, 0, 0, 0] + [0, 0, 8, 7, 0, 0, 0, 0, 0] + [0, 0, 0, 0] + [0, 0, 0, 0xB]

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Self.farewell)), promise: nil)
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Buffers for what a socket has: as large as its last reads were, up to `maximum`, and none that outlives its turn because of a
/// connection. (A pool of the channel would keep one for each that is idle.)
struct ReceiveAllocator: RecvByteBufferAllocator {
    private static let maximum = 32 << 10

    private var sizes = AdaptiveRecvByteBufferAllocator(minimum: 1 << 10, initial: 2 << 10, maximum: maximum)

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { sizes.buffer(allocator: allocator) }

    mutating func record(actualReadBytes: Int) -> Bool { sizes.record(actualReadBytes: actualReadBytes) }

    /// None: each read has its own.
    func nextBufferSize() -> Int? { nil }
}
