import FlowStateClient
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Passes bytes on between clients and a server until it is stalled: then it takes all bytes and passes on nothing, not even the end of a
/// connection. To a client that is a machine that lost its power.
final class StallingProxy: Sendable {
    private final class Traffic: Sendable {
        let isStalled = Atomic(false)
        /// How often bytes of clients were passed on.
        let sent = Atomic(0)
        let connections = Atomic(0)
    }

    private let traffic: Traffic
    private let channel: any Channel
    let endpoint: Endpoint

    init(to server: Endpoint, isStalled: Bool = false) async throws {
        let traffic = Traffic()
        traffic.isStalled.store(isStalled, ordering: .relaxed)
        guard case .tcp(let host, let port) = server else { throw NoAddress(address: "\(server)") }
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { inbound in
                traffic.connections.add(1, ordering: .relaxed)
                return ClientBootstrap(group: inbound.eventLoop)
                    .channelInitializer { outbound in
                        outbound.eventLoop.makeCompletedFuture {
                            try outbound.pipeline.syncOperations.addHandler(Relay(to: inbound, traffic, isRequest: false))
                        }
                    }
                    .connect(host: host, port: port)
                    .flatMapThrowing { outbound in
                        try inbound.pipeline.syncOperations.addHandler(Relay(to: outbound, traffic, isRequest: true))
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        endpoint = .tcp(host: "127.0.0.1", port: try #require(channel.localAddress?.port))
        self.traffic = traffic
    }

    var sent: Int { traffic.sent.load(ordering: .relaxed) }
    var connections: Int { traffic.connections.load(ordering: .relaxed) }

    func stall() { traffic.isStalled.store(true, ordering: .relaxed) }

    func close() async { try? await channel.close() }

    private final class Relay: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        private let traffic: Traffic
        private let isRequest: Bool

        init(to other: any Channel, _ traffic: Traffic, isRequest: Bool) {
            (self.other, self.traffic, self.isRequest) = (other, traffic, isRequest)
        }

        private var isStalled: Bool { traffic.isStalled.load(ordering: .relaxed) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if isStalled { return }
            if isRequest { traffic.sent.add(1, ordering: .relaxed) }
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { if !isStalled { other.close(promise: nil) } }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
