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

    public func diffVersions(_ request: DiffVersionsRequest) async throws -> DiffVersionsResponse {
        try await call(.diffVersions, request)
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

    // MARK: Definitions and the life of flows

    public func putDefinition(_ request: PutDefinitionRequest) async throws -> PutDefinitionResponse {
        try await call(.putDefinition, request)
    }

    public func getDefinition(_ request: GetDefinitionRequest) async throws -> GetDefinitionResponse {
        try await call(.getDefinition, request)
    }

    public func listDefinitions(_ request: ListDefinitionsRequest) async throws -> ListDefinitionsResponse {
        try await call(.listDefinitions, request)
    }

    public func transitionPhase(_ request: TransitionPhaseRequest) async throws -> TransitionPhaseResponse {
        try await call(.transitionPhase, request)
    }

    public func completePhase(_ request: CompletePhaseRequest) async throws -> CompletePhaseResponse {
        try await call(.completePhase, request)
    }

    public func reportError(_ request: ReportErrorRequest) async throws -> ReportErrorResponse {
        try await call(.reportError, request)
    }

    public func setStatus(_ request: SetStatusRequest) async throws -> SetStatusResponse {
        try await call(.setStatus, request)
    }

    public func getHistory(_ request: GetHistoryRequest) async throws -> GetHistoryResponse {
        try await call(.getHistory, request)
    }

    public func getSummary(_ request: GetSummaryRequest) async throws -> GetSummaryResponse {
        try await call(.getSummary, request)
    }

    public func validateState(_ request: ValidateStateRequest) async throws -> ValidateStateResponse {
        try await call(.validateState, request)
    }

    // MARK: Recovery

    public func recoverFlow(_ request: RecoverFlowRequest) async throws -> RecoverFlowResponse {
        try await call(.recoverFlow, request)
    }

    public func getRecoveryStatus(_ request: GetRecoveryStatusRequest) async throws -> GetRecoveryStatusResponse {
        try await call(.getRecoveryStatus, request)
    }

    /// Lets a flow follow another revision of its definition.
    public func moveFlow(_ request: MoveFlowRequest) async throws -> MoveFlowResponse { try await call(.moveFlow, request) }

    public func cleanup(_ request: CleanupRequest = CleanupRequest()) async throws -> CleanupResponse {
        try await call(.cleanup, request)
    }
    public func getCleanupRun(_ request: GetCleanupRunRequest = GetCleanupRunRequest()) async throws -> GetCleanupRunResponse {
        try await call(.getCleanupRun, request)
    }
    public func listQuarantine(_ request: ListQuarantineRequest) async throws -> ListQuarantineResponse {
        try await call(.listQuarantine, request)
    }

    public func getQuarantined(_ request: GetQuarantinedRequest) async throws -> GetQuarantinedResponse {
        try await call(.getQuarantined, request)
    }

    /// Saves an archived state as the flow's next version.
    public func restoreQuarantined(_ request: RestoreQuarantinedRequest) async throws -> RestoreQuarantinedResponse {
        try await call(.restoreQuarantined, request)
    }

    /// What people should know about flows, newest first, page by page.
    public func listNotifications(_ request: ListNotificationsRequest) async throws -> ListNotificationsResponse {
        try await call(.listNotifications, request)
    }

    /// Notes that a person has seen a notification.
    public func acknowledgeNotification(_ request: AcknowledgeNotificationRequest) async throws -> AcknowledgeNotificationResponse {
        try await call(.acknowledgeNotification, request)
    }

    // MARK: For operators

    public func getStatistics(_ request: GetStatisticsRequest) async throws -> GetStatisticsResponse {
        try await call(.getStatistics, request)
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

        /// - Parameter service: of the package `flowstate.v1`.
        init(_ name: String, of service: String = "FlowStateService") { path = "/flowstate.v1.\(service)/\(name)" }

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
