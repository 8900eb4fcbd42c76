import Compression
import HTTP2
import NIOCore
import NIOPosix

/// The settings of a client.
public struct ClientConfiguration: Sendable {
    /// Connections to the server; calls are spread over them in turn.
    public var connections = 1
    /// The largest response message, in bytes.
    public var messageBytes = 64 << 20
    /// How long a server may take to accept a connection, and then to begin to speak HTTP/2.
    public var connectTimeout = TimeAmount.seconds(5)
    /// How a server that is gone without a word is noticed. Nil: it is not, beyond what TCP notices by itself. The default is one that stock
    /// servers allow.
    public var keepalive: Keepalive? = Keepalive()
    /// How requests of a kilobyte and more are compressed; servers usually compress their responses the same way then. Nil: they are not.
    public var compression: MessageCompression?
    package var http2 = HTTP2Settings()

    /// The defaults.
    public init() { http2.connectionWindow = 64 << 20 }
}

/// Calls methods of one server. Connects at the first call, and again after a connection was lost;
/// thread-safe.
public final class Client: Sendable {
    /// Where the server is.
    public let endpoint: Endpoint
    private let slots: [ConnectionSlot]
    private let configuration: ClientConfiguration
    private let codecs = CodecPool()
    let pace: KeepalivePace

    /// A client that is not connected yet.
    ///
    /// - Parameter group: of the event loops that its connections live on.
    public init(
        endpoint: Endpoint, configuration: ClientConfiguration = .init(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        self.endpoint = endpoint
        self.configuration = configuration
        let pace = KeepalivePace(configuration.keepalive)
        self.pace = pace
        slots = (0..<max(configuration.connections, 1)).map { _ in
            ConnectionSlot(endpoint: endpoint, configuration: configuration, pace: pace, eventLoop: group.next())
        }
    }

    /// How many connections calls are spread over.
    public var connections: Int { slots.count }

    /// The event loop of a connection: a call started there completes there without a hop.
    public func eventLoop(connection: Int) -> any EventLoop { slots[connection % slots.count].eventLoop }

    /// Calls a unary method; `completion` runs on the event loop of the connection.
    ///
    /// - Parameters:
    ///   - timeout: sent as `grpc-timeout`, and enforced here too; nil waits for as long as the server does.
    ///   - connection: which connection; nil picks one.
    public func call(
        _ path: String, _ message: FramedMessage, metadata: Metadata = Metadata(), timeout: TimeAmount? = nil,
        connection: Int? = nil, completion: @escaping @Sendable (Result<ByteBuffer, Status>) -> Void
    ) -> CallHandle {
        let slot = slots[(connection ?? Int.random(in: 0..<slots.count)) % slots.count]
        let handle = CallHandle(eventLoop: slot.eventLoop)
        let message = configuration.compression.map { message.sent($0, codecs) } ?? message
        slot.withConnection { result in
            switch result {
            case .failure(let status): completion(.failure(status))
            case .success(let handler):
                var reply: ByteBuffer?
                let call = ClientCall(
                    path: path, metadata: metadata, timeout: timeout, settings: self.settings, consumesAtOnce: true,
                    onMessage: { message, _, _ in reply = message },
                    onEnd: { result in
                        completion(
                            result.flatMap { _ in
                                reply.map { .success($0) } ?? .failure(Status(.internal, "the answer has no message"))
                            })
                    })
                handle.attach(call)
                handler.start(call, message: message, endStream: true)
            }
        }
        return handle
    }

    /// Calls a unary method. Cancelling the task cancels the call.
    /// - Throws: `Status`.
    public func unary(
        _ path: String, _ message: FramedMessage, metadata: Metadata = Metadata(), timeout: TimeAmount? = nil
    ) async throws -> ByteBuffer {
        let handle = CancelBox()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                handle.set(
                    call(path, message, metadata: metadata, timeout: timeout) { continuation.resume(with: $0) })
            }
        } onCancel: {
            handle.cancel()
        }
    }

    /// Opens a streaming call of any kind.
    ///
    /// - Parameters:
    ///   - timeout: sent as `grpc-timeout`, and enforced here too.
    ///   - silence: the call fails with UNAVAILABLE when nothing of it arrives for so long, while the caller has taken all that came.
    public func stream(
        _ path: String, metadata: Metadata = Metadata(), timeout: TimeAmount? = nil, silence: TimeAmount? = nil
    ) async throws -> ClientStream {
        let slot = slots[Int.random(in: 0..<slots.count)]
        return try await withCheckedThrowingContinuation { continuation in
            slot.withConnection { result in
                continuation.resume(
                    with: result.map { handler in
                        ClientStream.open(
                            path, metadata, timeout, silence, self.settings, handler, slot.eventLoop)
                    })
            }
        }
    }

    private var settings: ClientCall.Settings {
        ClientCall.Settings(messageBytes: configuration.messageBytes, compression: configuration.compression, codecs: codecs)
    }

    /// Closes all connections; calls under way fail.
    public func close() async {
        for slot in slots { await slot.close() }
    }
}
