import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Pauses accepting for a second, and logs a warning, when the system has no resources for another connection, usually no descriptors.
/// Connections that wait stay in the listen queue. (NIO's `AcceptBackoffHandler` leaves the listener registered, so its readiness spins.)
final class AcceptWatch: ChannelInboundHandler {
    typealias InboundIn = Channel

    private static let pause = TimeAmount.seconds(1)
    /// Errors of accept(2) that pass when descriptors or memory are released.
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

/// Refuses a connection beyond the limits: sends GOAWAY with ENHANCE_YOUR_CALM and closes it.
final class RefusedConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// An empty SETTINGS frame, and GOAWAY with last stream 0: no stream was processed (RFC 9113 §6.5, §6.8).
    private static let farewell: [UInt8] =
        [0, 0, 0, 4, 0, 0, 0, 0, 0] + [0, 0, 8, 7, 0, 0, 0, 0, 0] + [0, 0, 0, 0] + [0, 0, 0, 0xB]

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Self.farewell)), promise: nil)
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
