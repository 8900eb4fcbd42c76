@_exported public import GRPC
public import NIOCore
import NIOPosix
import Protobuf
import Synchronization
@_exported public import WireMessages

@_exported public import struct Protobuf.StringMap

/// A client of a Flowstate server, or of several on one database: flows, their versions and checkpoints, and definitions. Thread-safe; one is
/// enough for a program. Errors are `ClientError`.
///
///     guard let endpoint = Endpoint("localhost:7420") else { … }
///     let client = StateClient(endpoint: endpoint, tenant: "acme")
///     let saved = try await client.saveState(SaveStateRequest(flowID: "order-17", change: .state(bytes)))
public final class StateClient: Sendable {
    private let clients: [Client]
    /// The place of the server in use.
    private let current = Atomic(0)
    private let metadata: Metadata
    /// The deadline of each call, its repetitions included; nil: the server's own.
    public let timeout: TimeAmount?
    /// How often calls are repeated.
    public let retries: RetryPolicy

    /// A client of one server, which it connects to at its first call.
    ///
    /// - Parameters:
    ///   - endpoint: where the server is.
    ///   - tenant: whose flows; nil leaves it to the server (`default`).
    ///   - actor: who acts, for the audit trail; nil leaves it to the server (`anonymous`).
    ///   - timeout: the deadline of each call, its repetitions included; nil: the server's own.
    ///   - retries: how often calls are repeated.
    ///   - configuration: connections, the largest reply, timeouts of connecting, keepalive.
    ///   - group: of the event loops that its connections live on.
    public convenience init(
        endpoint: Endpoint, tenant: String? = nil, actor: String? = nil, timeout: TimeAmount? = .seconds(30),
        retries: RetryPolicy = .standard, configuration: ClientConfiguration = ClientConfiguration(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        self.init(
            endpoint, or: [], tenant: tenant, actor: actor, timeout: timeout, retries: retries, configuration: configuration, group: group)
    }

    /// A client of several servers on one database: it uses one, and goes on to the next when that one cannot be reached.
    ///
    /// - Parameters:
    ///   - endpoint: the first server.
    ///   - others: the servers after it.
    ///   - tenant: whose flows; nil leaves it to the server (`default`).
    ///   - actor: who acts, for the audit trail; nil leaves it to the server (`anonymous`).
    ///   - timeout: the deadline of each call, its repetitions included; nil: the server's own.
    ///   - retries: how often calls are repeated.
    ///   - configuration: connections, the largest reply, timeouts of connecting, keepalive.
    ///   - group: of the event loops that its connections live on.
    public init(
        _ endpoint: Endpoint, or others: [Endpoint], tenant: String? = nil, actor: String? = nil, timeout: TimeAmount? = .seconds(30),
        retries: RetryPolicy = .standard, configuration: ClientConfiguration = ClientConfiguration(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        clients = ([endpoint] + others).map { Client(endpoint: $0, configuration: configuration, group: group) }
        var metadata = Metadata()
        if let tenant { metadata.append("flowstate-tenant", tenant) }
        if let actor { metadata.append("flowstate-actor", actor) }
        self.metadata = metadata
        self.timeout = timeout
        self.retries = retries
    }

    /// Closes its connections; calls under way fail.
    public func close() async {
        for client in clients { await client.close() }
    }

    /// `grpc.health.v1.Health/Check` of the whole server.
    /// - Throws: `ClientError` when the server cannot be reached or does not know.
    public func isServing() async throws -> Bool {
        let place = place
        let reply = try await send(
            "/grpc.health.v1.Health/Check", FramedMessage(encoding: HealthCheckRequest()), metadata, timeout, to: place)
        return (try? HealthCheckResponse.decode(reply, ceiling: .max))?.status == .serving
    }

    /// The methods of the contract are in `Generated/Methods.swift`.
    func call<Request: WireMessage, Response: WireMessage>(
        _ method: Method<Request, Response>, _ request: Request
    ) async throws -> Response {
        let (request, isRepeatable) = repeatable(method, request)
        let message = FramedMessage(encoding: request)
        let end = timeout.map { NIODeadline.now() + $0 }
        var backoff = RetryBackoff()
        var attempt = 1
        while true {
            let place = place
            var metadata = metadata
            // gRFC A6.
            if attempt > 1 { metadata.append("grpc-previous-rpc-attempts", "\(attempt - 1)") }
            do {
                return try method.decode(await send(method.path, message, metadata, end.map { $0 - .now() }, to: place))
            } catch let error as ClientError {
                if error.code == .unavailable { advance(from: place) }
                let pause = backoff.next(atLeast: error.retryDelay)
                guard isRepeatable, attempt < retries.attempts, error.isTransient,
                    end.map({ $0 - .now() > TimeAmount(pause) }) ?? true
                else { throw error }
                try await Task.sleep(for: pause)
                attempt += 1
            }
        }
    }

    /// The request, with an idempotency key if it may have one; and whether repeating the call is safe.
    private func repeatable<Request, Response>(
        _ method: Method<Request, Response>, _ request: Request
    ) -> (request: Request, isRepeatable: Bool) {
        guard retries.attempts > 1, var keyed = request as? any IdempotentRequest else { return (request, method.isReadOnly) }
        // A save of a batch that has a key of its own cannot be in a batch that has one.
        if let batch = request as? BatchSaveStateRequest, batch.saves.contains(where: { !$0.idempotencyKey.isEmpty }) {
            return (request, !batch.idempotencyKey.isEmpty)
        }
        if keyed.idempotencyKey.isEmpty { keyed.idempotencyKey = Self.newKey() }
        return (keyed as? Request ?? request, true)
    }

    /// 128 random bits in hexadecimal.
    static func newKey() -> String {
        var generator = SystemRandomNumberGenerator()
        return String(generator.next(), radix: 16) + "-" + String(generator.next(), radix: 16)
    }

    /// Opens a streaming call, which has no deadline.
    ///
    /// - Parameters:
    ///   - place: of the server.
    ///   - silence: how long the server may send nothing; nil: as long as it answers PINGs.
    func stream(_ method: MethodDescriptor, to place: Int, silence: Duration? = nil) async throws -> ClientStream {
        try await clients[place].stream("/" + method.fullName, metadata: metadata, silence: silence.map { TimeAmount($0) })
    }

    var place: Int { current.load(ordering: .relaxed) }

    /// Goes on to the next server, unless another call has done so already.
    func advance(from place: Int) {
        _ = current.compareExchange(expected: place, desired: (place + 1) % clients.count, ordering: .relaxed)
    }

    private func send(
        _ path: String, _ message: FramedMessage, _ metadata: Metadata, _ timeout: TimeAmount?, to place: Int
    ) async throws -> ByteBuffer {
        do {
            return try await clients[place].unary(path, message, metadata: metadata, timeout: timeout)
        } catch let status as Status {
            throw ClientError(status)
        }
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) { self = .nanoseconds(Int64(duration / .nanoseconds(1))) }
}

// MARK: Calls without tasks

extension StateClient {
    /// A unary method and its types; for `start`.
    public struct Method<Request: WireMessage, Response: WireMessage>: Sendable {
        let path: String
        let isReadOnly: Bool

        init(_ method: MethodDescriptor) { (path, isReadOnly) = ("/" + method.fullName, method.isReadOnly) }

        func decode(_ reply: ByteBuffer) throws(ClientError) -> Response {
            do {
                return try Response.decode(reply, ceiling: .max)
            } catch {
                throw ClientError(Status(.internal, "the server's answer is not a \(Response.fullName): \(error)"))
            }
        }
    }

    /// How many connections calls are spread over.
    public var connections: Int { clients[0].connections }

    /// The event loop of a connection: what `start` is given there completes there, without a hop.
    public func eventLoop(connection: Int) -> any EventLoop { clients[0].eventLoop(connection: connection) }

    /// Starts a call on one connection of the first server, once, for programs that keep very many in flight; `completion` runs on that
    /// connection's event loop and must not block.
    public func start<Request: WireMessage, Response: WireMessage>(
        _ method: Method<Request, Response>, _ request: Request, connection: Int,
        completion: @escaping @Sendable (Result<Response, ClientError>) -> Void
    ) {
        _ = clients[0].call(
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
