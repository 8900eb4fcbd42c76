@_exported public import GRPC
public import NIOCore
import NIOPosix
import Protobuf
@_exported public import WireMessages

@_exported public import struct Protobuf.StringMap

/// A client of a Flowstate server: every method of `flowstate.v1.FlowStateService` that saves, loads and
/// lists. Thread-safe; one is enough for a program. Errors are `ClientError`.
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

    // MARK: Flows

    public func createFlow(_ request: CreateFlowRequest) async throws -> CreateFlowResponse {
        try await call(.createFlow, request)
    }

    public func saveState(_ request: SaveStateRequest) async throws -> SaveStateResponse {
        try await call(.saveState, request)
    }

    public func loadState(_ request: LoadStateRequest) async throws -> LoadStateResponse {
        try await call(.loadState, request)
    }

    public func listFlows(_ request: ListFlowsRequest) async throws -> ListFlowsResponse {
        try await call(.listFlows, request)
    }

    public func listVersions(_ request: ListVersionsRequest) async throws -> ListVersionsResponse {
        try await call(.listVersions, request)
    }

    public func deleteFlow(_ request: DeleteFlowRequest) async throws -> DeleteFlowResponse {
        try await call(.deleteFlow, request)
    }

    // MARK: Checkpoints

    public func createCheckpoint(_ request: CreateCheckpointRequest) async throws -> CreateCheckpointResponse {
        try await call(.createCheckpoint, request)
    }

    public func listCheckpoints(_ request: ListCheckpointsRequest) async throws -> ListCheckpointsResponse {
        try await call(.listCheckpoints, request)
    }

    public func restoreCheckpoint(_ request: RestoreCheckpointRequest) async throws -> RestoreCheckpointResponse {
        try await call(.restoreCheckpoint, request)
    }

    public func deleteCheckpoint(_ request: DeleteCheckpointRequest) async throws -> DeleteCheckpointResponse {
        try await call(.deleteCheckpoint, request)
    }

    /// `grpc.health.v1.Health/Check` of the whole server.
    /// - Throws: `ClientError` when the server cannot be reached or does not know.
    public func isServing() async throws -> Bool {
        let reply = try await send("/grpc.health.v1.Health/Check", FramedMessage(encoding: HealthCheckRequest()))
        return (try? HealthCheckResponse.decode(reply, ceiling: .max))?.status == .serving
    }

    private func call<Request: WireMessage, Response: WireMessage>(
        _ method: Method<Request, Response>, _ request: Request
    ) async throws -> Response {
        try method.decode(await send(method.path, FramedMessage(encoding: request)))
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

        init(_ name: String) { path = "/flowstate.v1.FlowStateService/" + name }

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

extension StateClient.Method where Request == CreateFlowRequest, Response == CreateFlowResponse {
    public static var createFlow: Self { Self("CreateFlow") }
}
extension StateClient.Method where Request == SaveStateRequest, Response == SaveStateResponse {
    public static var saveState: Self { Self("SaveState") }
}
extension StateClient.Method where Request == LoadStateRequest, Response == LoadStateResponse {
    public static var loadState: Self { Self("LoadState") }
}
extension StateClient.Method where Request == ListFlowsRequest, Response == ListFlowsResponse {
    public static var listFlows: Self { Self("ListFlows") }
}
extension StateClient.Method where Request == ListVersionsRequest, Response == ListVersionsResponse {
    public static var listVersions: Self { Self("ListVersions") }
}
extension StateClient.Method where Request == DeleteFlowRequest, Response == DeleteFlowResponse {
    public static var deleteFlow: Self { Self("DeleteFlow") }
}
extension StateClient.Method where Request == CreateCheckpointRequest, Response == CreateCheckpointResponse {
    public static var createCheckpoint: Self { Self("CreateCheckpoint") }
}
extension StateClient.Method where Request == ListCheckpointsRequest, Response == ListCheckpointsResponse {
    public static var listCheckpoints: Self { Self("ListCheckpoints") }
}
extension StateClient.Method where Request == RestoreCheckpointRequest, Response == RestoreCheckpointResponse {
    public static var restoreCheckpoint: Self { Self("RestoreCheckpoint") }
}
extension StateClient.Method where Request == DeleteCheckpointRequest, Response == DeleteCheckpointResponse {
    public static var deleteCheckpoint: Self { Self("DeleteCheckpoint") }
}
