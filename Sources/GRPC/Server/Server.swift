import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A gRPC server on a socket: HTTP/2 with prior knowledge, all connections on the given event loops.
package final class Server: Sendable {
    private let router: Router
    private let configuration: ServerConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    /// One for each event loop.
    private let shares: [ObjectIdentifier: ConnectionShare]
    private let state = NIOLockedValueBox(State())
    private let refusals = RareLine("connections are refused")

    private struct State {
        var listeners: [any Channel] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
        /// Open connections by address.
        var peers: [String: Int] = [:]
        var isShuttingDown = false
        var waiter: EventLoopPromise<Void>?
    }

    package init(
        router: Router, configuration: ServerConfiguration = .init(), group: any EventLoopGroup, logger: Logger
    ) {
        self.router = router
        self.configuration = configuration
        self.group = group
        self.logger = logger
        let loops = group.makeIterator().map { (ObjectIdentifier($0), ConnectionShare($0, watch: configuration.eventLoopWatch)) }
        shares = Dictionary(loops) { first, _ in first }
    }

    private func share(of eventLoop: any EventLoop) -> ConnectionShare {
        shares[ObjectIdentifier(eventLoop)] ?? ConnectionShare(eventLoop, watch: configuration.eventLoopWatch)
    }

    /// Listens on a TCP address; port 0 picks a free one. Returns the address in use.
    @discardableResult
    package func listen(host: String, port: Int) async throws -> SocketAddress? {
        let channel = try await bootstrap().bind(host: host, port: port).get()
        return added(channel)
    }

    /// Listens on a unix domain socket, replacing a stale one.
    package func listen(unixSocket path: String) async throws {
        let channel = try await bootstrap().bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        added(channel)
    }

    @discardableResult
    private func added(_ channel: any Channel) -> SocketAddress? {
        state.withLockedValue { $0.listeners.append(channel) }
        return channel.localAddress
    }

    private func bootstrap() -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Few new connections a turn, so that the open ones get theirs: accepting one takes a tenth of a millisecond or more.
            .serverChannelOption(.maxMessagesPerRead, value: 4)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptWatch(logger: self.logger))
                }
            }
            // Setting TCP_NODELAY fails on Unix sockets, so `opened` sets it for each connection.
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let memory = self.admit(channel) else {
                        return try channel.pipeline.syncOperations.addHandler(RefusedConnection())
                    }
                    let handler = try ServerConnectionHandler(
                        router: self.router, configuration: self.configuration, memory: memory, share: self.share(of: channel.eventLoop),
                        logger: self.logger)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    self.opened(channel)
                }
            }
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
            // One read of bounded size a turn: it may hold hundreds of small calls.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            // The handler closes connections, in slices when many clients disconnect at once; otherwise NIO would close them.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: ReceiveAllocator())
    }

    /// Nil when a limit of connections is reached, or there is no memory for another one.
    private func admit(_ channel: any Channel) -> ConnectionMemory? {
        let id = ObjectIdentifier(channel)
        // Connections of a Unix socket have no address.
        let peer = channel.remoteAddress?.ipAddress
        let refusal = state.withLockedValue { state -> String? in
            if state.connections.count >= configuration.maxConnections { return "\(configuration.maxConnections) are open" }
            if let peer, state.peers[peer, default: 0] >= configuration.maxConnectionsPerPeer {
                return "\(configuration.maxConnectionsPerPeer) of its address are open"
            }
            state.connections[id] = channel
            if let peer { state.peers[peer, default: 0] += 1 }
            return nil
        }
        if let refusal {
            refusals.say(logger, ["peer": "\(peer ?? "unix")", "reason": "\(refusal)"])
            return nil
        }
        channel.closeFuture.whenComplete { _ in self.closed(id, peer) }
        guard let memory = ConnectionMemory(configuration.memory) else {
            refusals.say(logger, ["peer": "\(peer ?? "unix")", "reason": "no memory is left"])
            return nil
        }
        return memory
    }

    private func opened(_ channel: any Channel) {
        if channel.localAddress?.port != nil {
            channel.setOption(.tcpOption(.tcp_nodelay), value: 1).whenFailure { error in
                self.logger.debug("TCP_NODELAY was refused", metadata: ["error": "\(error)"])
            }
        }
        if state.withLockedValue(\.isShuttingDown) { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    }

    private func closed(_ id: ObjectIdentifier, _ peer: String?) {
        let waiter = state.withLockedValue { state -> EventLoopPromise<Void>? in
            state.connections[id] = nil
            if let peer, let count = state.peers[peer] { state.peers[peer] = count > 1 ? count - 1 : nil }
            return state.connections.isEmpty && state.isShuttingDown ? state.waiter : nil
        }
        waiter?.succeed()
    }

    /// Open connections now.
    package var connections: Int { state.withLockedValue { $0.connections.count } }

    /// Stops listening, lets calls under way finish for `grace`, then closes what is left.
    package func shutdown(grace: TimeAmount) async {
        let listeners = state.withLockedValue { state in
            defer { state.listeners = [] }
            return state.listeners
        }
        for listener in listeners { try? await listener.close() }

        let drained = group.next().makePromise(of: Void.self)
        let open = state.withLockedValue { state in
            state.isShuttingDown = true
            state.waiter = drained
            return Array(state.connections.values)
        }
        if open.isEmpty { drained.succeed() }
        for channel in open { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let timer = drained.futureResult.eventLoop.scheduleTask(in: grace) { drained.succeed() }
        try? await drained.futureResult.get()
        timer.cancel()

        let late = state.withLockedValue { Array($0.connections.values) }
        for channel in late { try? await channel.close() }
    }
}
