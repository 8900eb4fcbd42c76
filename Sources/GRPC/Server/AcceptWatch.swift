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

/// Buffers for what a socket has: those of the thread. NIO keeps the first one that a connection gets as long as that is open, so that one is
/// small; it asks for another each time since `record` says that the next one may be larger.
struct ReceiveAllocator: RecvByteBufferAllocator {
    private static let first = 1 << 10

    private var hasRead = false

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        hasRead ? ThreadBuffer.input.take() : allocator.buffer(capacity: Self.first)
    }

    mutating func record(actualReadBytes: Int) -> Bool {
        hasRead = true
        return true
    }

    /// None is reused by NIO: calls may have parts of it still.
    func nextBufferSize() -> Int? { nil }
}
