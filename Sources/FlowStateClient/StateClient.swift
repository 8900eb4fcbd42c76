@_exported public import GRPC
public import NIOCore
import NIOPosix
import Protobuf
@_exported public import WireMessages

@_exported public import struct Protobuf.StringMap

/// A client of a Flowstate server: flows, their versions and checkpoints, and definitions. Thread-safe; one is enough for a program. Errors are `ClientError`.
///
///     let client = StateClient(endpoint: Endpoint("localhost:7420")!, tenant: "acme")
///     let saved = try await client.saveState(SaveStateRequest(flowID: "order-17", change: .state(bytes)))
public final class StateClient: Sendable {
    private let client: Client
    private let metadata: Metadata
    /// The deadline of each call; nil: the server's own.
    public let timeout: TimeAmount?

    /// - Parameters:
    ///   - tenant: whose flows; nil leaves it to the server (`default`).
    ///   - actor: who acts, for the audit trail; nil leaves it to the server (`anonymous`).
    ///   - configuration: connections, the largest reply, timeouts of connecting.
    public init(
        endpoint: Endpoint, tenant: String? = nil, actor: String? = nil, timeout: TimeAmount? = .seconds(30),
        configuration: ClientConfiguration = ClientConfiguration(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        client = Client(endpoint: endpoint, configuration: configuration, group: group)
        var metadata = Metadata()
        if let tenant { metadata.append("flowstate-tenant", tenant) }
        if let actor { metadata.append("flowstate-actor", actor) }
        self.metadata = metadata
        self.timeout = timeout
    }

    /// Closes its connections; calls under way fail.
    public func close() async { await client.close() }

    /// `grpc.health.v1.Health/Check` of the whole server.
    /// - Throws: `ClientError` when the server cannot be reached or does not know.
    public func isServing() async throws -> Bool {
        let reply = try await send("/grpc.health.v1.Health/Check", FramedMessage(encoding: HealthCheckRequest()))
        return (try? HealthCheckResponse.decode(reply, ceiling: .max))?.status == .serving
    }

    /// The methods of the contract are in `Generated/Methods.swift`.
    func call<Request: WireMessage, Response: WireMessage>(
        _ method: Method<Request, Response>, _ request: Request
    ) async throws -> Response {
        try method.decode(await send(method.path, FramedMessage(encoding: request)))
    }

    /// Opens a streaming call, which has no deadline.
    func stream(_ method: MethodDescriptor) async throws -> ClientStream {
        try await client.stream("/" + method.fullName, metadata: metadata)
    }

    private func send(_ path: String, _ message: FramedMessage) async throws -> ByteBuffer {
        do {
            return try await client.unary(path, message, metadata: metadata, timeout: timeout)
        } catch let status as Status {
            throw ClientError(status)
        }
    }
}

// MARK: Calls without tasks

extension StateClient {
    /// A unary method and its types; for `start`.
    public struct Method<Request: WireMessage, Response: WireMessage>: Sendable {
        let path: String

        init(_ method: MethodDescriptor) { path = "/" + method.fullName }

        func decode(_ reply: ByteBuffer) throws(ClientError) -> Response {
            do {
                return try Response.decode(reply, ceiling: .max)
            } catch {
                throw ClientError(Status(.internal, "the server's answer is not a \(Response.fullName): \(error)"))
            }
        }
    }

    /// How many connections calls are spread over.
    public var connections: Int { client.connections }

    /// The event loop of a connection: what `start` is given there completes there, without a hop.
    public func eventLoop(connection: Int) -> any EventLoop { client.eventLoop(connection: connection) }

    /// Starts a call on one connection, for programs that keep very many in flight; `completion` runs on that
    /// connection's event loop and must not block.
    public func start<Request: WireMessage, Response: WireMessage>(
        _ method: Method<Request, Response>, _ request: Request, connection: Int,
        completion: @escaping @Sendable (Result<Response, ClientError>) -> Void
    ) {
        _ = client.call(
            method.path, FramedMessage(encoding: request), metadata: metadata, timeout: timeout,
            connection: connection
        ) { result in
            switch result {
            case .failure(let status): completion(.failure(ClientError(status)))
            case .success(let reply):
                completion(Result { () throws(ClientError) in try method.decode(reply) })
            }
        }
    }
}
