import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Pauses accepting for a second when the system has nothing left for another connection, descriptors as a rule, and says so. Those that
/// wait stay in the listen queue. (NIO's `AcceptBackoffHandler` leaves the listener registered, whose readiness then spins.)
final class AcceptWatch: ChannelInboundHandler {
    typealias InboundIn = Channel

    private static let pause = TimeAmount.seconds(1)
    /// accept(2): what passes when others close something.
    private static let shortages: Set<CInt> = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

    private let logger: Logger
    private let line = RareLine("a connection could not be accepted; the next attempt is in a second")

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, Self.shortages.contains(error.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        line.say(logger, ["error": "\(error)"])
        accept(context.channel, false)
        let bound = NIOLoopBound(context.channel, eventLoop: context.eventLoop)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) { self.accept(bound.value, true) }
    }

    private func accept(_ listener: any Channel, _ goesOn: Bool) {
        // Fails for a listener that was closed meanwhile.
        try? listener.syncOptions?.setOption(.autoRead, value: goesOn)
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

/// Buffers for what a socket has, each of which goes with what was read. (A pool of the channel would keep one for each connection that is
/// idle, and one that adapts its sizes to what came last reads a burst in many small pieces.)
struct ReceiveAllocator: RecvByteBufferAllocator {
    private static let bytes = 64 << 10

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: Self.bytes) }

    mutating func record(actualReadBytes: Int) -> Bool { false }

    /// None: each read has its own.
    func nextBufferSize() -> Int? { nil }
}
