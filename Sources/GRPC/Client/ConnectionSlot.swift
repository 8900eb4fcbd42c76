import HTTP2
import NIOCore
import NIOPosix

/// Keeps one connection of a client: opens it when it is first needed, and again after it was lost or the server sent GOAWAY.
///
/// `@unchecked Sendable`: `state` is touched on `eventLoop` only; every entry hops there.
final class ConnectionSlot: @unchecked Sendable {
    private enum State {
        case idle
        case connecting([(Result<ClientConnectionHandler, Status>) -> Void])
        case ready(ClientConnectionHandler, any Channel)
        case closed
    }

    let eventLoop: any EventLoop
    private let endpoint: Endpoint
    private let configuration: ClientConfiguration
    private let pace: KeepalivePace
    private var state = State.idle

    init(endpoint: Endpoint, configuration: ClientConfiguration, pace: KeepalivePace, eventLoop: any EventLoop) {
        self.endpoint = endpoint
        self.pace = pace
        self.configuration = configuration
        self.eventLoop = eventLoop
    }

    /// Runs `body` on the event loop with a connection that takes calls, or with UNAVAILABLE.
    func withConnection(_ body: @escaping @Sendable (Result<ClientConnectionHandler, Status>) -> Void) {
        if eventLoop.inEventLoop { obtain(body) } else { eventLoop.execute { self.obtain(body) } }
    }

    private func obtain(_ body: @escaping (Result<ClientConnectionHandler, Status>) -> Void) {
        switch state {
        case .ready(let handler, _) where !handler.isDraining: body(.success(handler))
        case .idle, .ready:
            state = .connecting([body])
            connect()
        case .connecting(let waiting): state = .connecting(waiting + [body])
        case .closed: body(.failure(Status(.unavailable, "the client was closed")))
        }
    }

    private func connect() {
        let (settings, pace, timeout) = (configuration.http2, pace, configuration.connectTimeout)
        let authority = "\(endpoint)".hasPrefix("unix:") ? "localhost" : "\(endpoint)"
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(configuration.connectTimeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ClientConnectionHandler(authority: authority, settings: settings, pace: pace, handshakeTimeout: timeout))
                }
            }
        let connected =
            switch endpoint {
            case .tcp(let host, let port):
                bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).connect(host: host, port: port)
            case .unixSocket(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        connected.hop(to: eventLoop).whenComplete { result in self.connected(result) }
    }

    private func connected(_ result: Result<any Channel, any Error>) {
        let outcome: Result<ClientConnectionHandler, Status>
        let waiting: [(Result<ClientConnectionHandler, Status>) -> Void]
        if case .connecting(let bodies) = state { waiting = bodies } else { waiting = [] }
        do {
            let channel = try result.get()
            let handler = try channel.pipeline.syncOperations.handler(type: ClientConnectionHandler.self)
            if case .closed = state {
                channel.close(promise: nil)
                outcome = .failure(Status(.unavailable, "the client was closed"))
            } else {
                state = .ready(handler, channel)
                outcome = .success(handler)
            }
        } catch {
            if case .connecting = state { state = .idle }
            outcome = .failure(Status(.unavailable, "cannot connect to \(endpoint): \(Self.describe(error))"))
        }
        for body in waiting { body(outcome) }
    }

    private static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { describe($0.error) } ?? error.dnsAError.map { "\($0)" }
                ?? "the host is not known"
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout: "no answer in time"
        default: "\(error)"
        }
    }

    func close() async {
        let channel: (any Channel)? = try? await eventLoop.submit {
            let before = self.state
            self.state = .closed
            if case .connecting(let waiting) = before {
                for body in waiting { body(.failure(Status(.unavailable, "the client was closed"))) }
            }
            if case .ready(_, let channel) = before { return channel }
            return nil
        }.get()
        try? await channel?.close()
    }
}
