import FlowAccess
import FlowModel
import FlowStore
import GRPC
import NIOCore
import Protobuf
import Resources
import WireMessages

/// Runs methods: the one way from a call to a command and back. The authenticator identifies the caller before the request is decoded.
struct MethodRunner: Sendable {
    let store: StateStore
    let authenticator: any Authenticator
    let server: ServerDescription

    /// The largest message, in bytes, that an event loop decodes, checks and encodes itself, at some 10 ns a byte. The scheduler gets
    /// larger ones.
    private static let quickBytes = 64 << 10
    /// Memory that decoding a large request takes besides the message, for each of its bytes: for protobuf-c's struct and the Swift one.
    static let decodingFactor = 2

    func route<Method: UnaryFlowMethod>(_ method: Method.Type) -> Route {
        Route(
            service: Method.method.service, method: Method.method.name,
            .unary { message, call in self.start(method, message, call) })
    }

    func route<Method: StreamingFlowMethod>(_ method: Method.Type) -> Route {
        let descriptor = Method.method
        let kind: MethodKind =
            switch (descriptor.clientStreaming, descriptor.serverStreaming) {
            case (true, true): .bidirectional
            case (true, false): .clientStreaming
            case (false, _): .serverStreaming
            }
        return Route(
            service: descriptor.service, method: descriptor.name,
            .streaming(kind) { messages, call in try await self.run(method, messages, call) })
    }

    private func run<Method: StreamingFlowMethod>(
        _ method: Method.Type, _ messages: MessageStream, _ call: ServerCall
    ) async throws {
        do {
            let requests = RequestStream<Method.Request>(messages: messages, call: call, ceiling: store.limits.arenaBytes)
            try await Method.run(requests, try await context(call, Method.scope), store, ResponseStream(call: call))
        } catch let error as StateError {
            throw ErrorTable.status(error)
        }
    }

    // MARK: Who calls

    /// A caller must not have two names, of which one part of the system might take the first and another the last.
    private func authenticate(_ call: ServerCall) -> Authentication {
        let credentials = Credentials(call)
        if let name = credentials.ambiguous {
            return .refused(.invalidArgument(field: name, message: "comes twice in the metadata, with different values"))
        }
        return authenticator.authenticate(credentials)
    }

    private func start<Method: UnaryFlowMethod>(_ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall) {
        switch authenticate(call) {
        case .identified(let identity): admit(method, message, call, identity)
        case .refused(let error): call.finish(ErrorTable.status(error))
        case .pending(let identify):
            let task = Task {
                do {
                    let identity = try await identify()
                    call.work.execute { self.admit(method, message, call, identity) }
                } catch {
                    call.finish(ErrorTable.status(Self.refusal(error)))
                }
            }
            call.onCancel { task.cancel() }
        }
    }

    private func admit<Method: UnaryFlowMethod>(
        _ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall, _ identity: Identity
    ) {
        guard identity.allows(Method.scope) else {
            return call.finish(ErrorTable.status(.permissionDenied(scope: Method.scope.rawValue)))
        }
        run(method, message, call, context(identity, call))
    }

    /// Not inlined: what a stream waits with takes little memory.
    @inline(never)
    private func context(_ call: ServerCall, _ scope: Scope) async throws -> CallContext {
        let identity: Identity
        switch authenticate(call) {
        case .identified(let found): identity = found
        case .refused(let error): throw error
        case .pending(let identify):
            do {
                identity = try await identify()
            } catch {
                throw Self.refusal(error)
            }
        }
        guard identity.allows(scope) else { throw StateError.permissionDenied(scope: scope.rawValue) }
        return context(identity, call)
    }

    private func context(_ identity: Identity, _ call: ServerCall) -> CallContext {
        CallContext(
            identity: identity, peer: call.peer,
            deadline: call.deadline.map { Instant(nanoseconds: Int64(clamping: $0.uptimeNanoseconds)) },
            limits: store.limits, metadata: call.metadata, server: server)
    }

    private static func refusal(_ error: any Error) -> StateError {
        if error is CancellationError { return .cancelled }
        return error as? StateError ?? .internalFault("the authenticator failed: \(error)")
    }

    // MARK: Unary methods

    private func run<Method: UnaryFlowMethod>(_ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall, _ caller: CallContext) {
        var context = operationContext(call, caller)
        let size = message.readableBytes
        if size <= Self.quickBytes { return begin(method, message, call, caller, context) }
        do {
            try context.reserve(size * Self.decodingFactor)
        } catch {
            return call.finish(ErrorTable.status(error))
        }
        if method.carriesState, let key = key(method, message, caller) { context = store.placed(context, key) }
        store.schedule(
            .short, context,
            { (result: Result<Void, StateError>) in if case .failure(let error) = result { call.finish(ErrorTable.status(error)) } }
        ) { [context] in self.begin(method, message, call, caller, context) }
    }

    /// The flow that a request names, before the request is decoded; nil: it names none, or is refused when it is decoded.
    private func key<Method: UnaryFlowMethod>(_ method: Method.Type, _ message: ByteBuffer, _ caller: CallContext) -> FlowKey? {
        guard let flowID = message.withUnsafeReadableBytes({ Method.Request.text(of: "flow_id", in: $0) }), !flowID.isEmpty else {
            return nil
        }
        return try? caller.key(flowID)
    }

    private func begin<Method: UnaryFlowMethod>(
        _ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall, _ caller: CallContext, _ context: OperationContext
    ) {
        let request: Method.Request
        do {
            request = try decode(message, context)
        } catch {
            return call.finish(error)
        }
        let flowID = Method.flowID(request)
        do {
            let command = try Method.command(request, caller)
            try command.run(on: store, context: context) { result in
                switch result {
                case .success(let outcome): answer(method, outcome, flowID: flowID, call)
                case .failure(let error): call.finish(ErrorTable.status(error))
                }
            }
        } catch {
            call.finish(ErrorTable.status(error))
        }
    }

    /// Decodes a message. A large one may take as much memory again as it has bytes, which is reserved. One that takes more, since it has
    /// very many parts, is decoded again if there is memory for the most that it may take.
    private func decode<Request: WireMessage>(_ message: ByteBuffer, _ context: OperationContext) throws(Status) -> Request {
        let (size, limit) = (message.readableBytes, store.limits.arenaBytes)
        let usual = size <= Self.quickBytes ? limit : min(limit, size + size / 8 + 4_096)
        do throws(WireError) {
            return try Request.decode(message, ceiling: usual)
        } catch {
            guard case .tooMuchMemory = error, usual < limit else { throw ErrorTable.status(error, of: Request.fullName) }
        }
        let more = Self.decodingFactor * (limit - usual)
        do throws(StateError) {
            try context.reserve(more)
        } catch {
            throw ErrorTable.status(error)
        }
        defer { context.memory?.memory.release(more) }
        do throws(WireError) {
            return try Request.decode(message, ceiling: limit)
        } catch {
            throw ErrorTable.status(error, of: Request.fullName)
        }
    }

    private func answer<Method: UnaryFlowMethod>(
        _ method: Method.Type, _ outcome: Method.Command.Outcome, flowID: String, _ call: ServerCall
    ) {
        let size = Method.size(of: outcome)
        if size <= Self.quickBytes { return call.respond(Method.framed(outcome, flowID: flowID)) }
        // For the encoded response, which waits for the event loop. What it is encoded from may be in the cache, and so not the call's own.
        guard call.memory.reserve(size) else {
            return call.finish(TransportErrors.answerOverloaded(memoryLimit: call.memory.budget.limit))
        }
        store.schedule(
            .short, OperationContext(caller: call.connectionID),
            { (result: Result<FramedMessage, StateError>) in
                switch result {
                case .success(let message): call.respond(message)
                case .failure(let error): call.finish(ErrorTable.status(error))
                }
            }
        ) { Method.framed(outcome, flowID: flowID) }
    }

    /// A call that ends early, or whose deadline passes, cancels its command.
    private func operationContext(_ call: ServerCall, _ caller: CallContext) -> OperationContext {
        let token = CancellationToken()
        call.onCancel(token)
        return OperationContext(
            deadline: caller.deadline, cancellation: token, executor: call.work, caller: call.connectionID, memory: call)
    }
}

/// Completes the calls of a database batch together on their event loop, those of a large batch in slices.
extension SlicedWork: CompletionExecutor {}

extension CancellationToken: Cancellable {}

/// A method of the API: its descriptor, as the contract declares it, and the scope that its caller needs.
protocol FlowMethod: SendableMetatype {
    associatedtype Request: WireMessage
    associatedtype Response: WireMessage

    static var method: MethodDescriptor { get }
    static var scope: Scope { get }
}

/// A method of one request and one response, in the same four steps everywhere: decode → check → command → encode. The store checks the
/// command; a method turns messages into values and back.
protocol UnaryFlowMethod: FlowMethod {
    associatedtype Request
    associatedtype Response
    associatedtype Command: StoreCommand

    static func command(_ request: Request, _ context: CallContext) throws(StateError) -> Command
    static func response(_ outcome: Command.Outcome, flowID: String) -> Response
    /// The encoded response.
    static func framed(_ outcome: Command.Outcome, flowID: String) -> FramedMessage
    /// The flow that the request names; empty for lists.
    static func flowID(_ request: Request) -> String
    /// Whether the request carries a new state of the flow that it names: such changes keep their order while they are decoded.
    static var carriesState: Bool { get }
    /// About how many bytes the response takes; 0: a few hundred.
    static func size(of outcome: Command.Outcome) -> Int
}

extension UnaryFlowMethod {
    static var carriesState: Bool { false }
    static func framed(_ outcome: Command.Outcome, flowID: String) -> FramedMessage {
        FramedMessage(encoding: response(outcome, flowID: flowID))
    }
    static func size(of outcome: Command.Outcome) -> Int { 0 }
}

extension UnaryFlowMethod {
    static func size<Element>(of page: Page<Element>) -> Int where Command.Outcome == Page<Element> { page.byteCount }
}

/// A method that streams requests, responses, or both. The steps are those of a unary method, for each message: `requests` decodes,
/// `responses` encodes.
protocol StreamingFlowMethod: FlowMethod {
    associatedtype Request
    associatedtype Response

    /// Runs as a task, which is cancelled with the call. Returning ends the call with OK.
    static func run(
        _ requests: RequestStream<Request>, _ context: CallContext, _ store: StateStore, _ responses: ResponseStream<Response>
    ) async throws
}
