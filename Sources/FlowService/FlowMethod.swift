import FlowModel
import FlowStore
import GRPC
import NIOCore
import Protobuf

/// One unary method of the API, in the same four steps everywhere: decode → check → command → encode.
/// The store checks the command; a method turns messages into values and back.
protocol FlowMethod: SendableMetatype {
    associatedtype Request: WireMessage
    associatedtype Response: WireMessage
    associatedtype Command: StoreCommand

    /// As the proto file names it.
    static var name: String { get }
    static func command(_ request: Request, _ context: RequestContext) throws(StateError) -> Command
    static func response(_ outcome: Command.Outcome, flowID: String) -> Response
    /// The flow that the request names; empty for lists.
    static func flowID(_ request: Request) -> String
    /// Whether it changes the flow that the request names by much content: such changes keep their order while they are decoded.
    static var carriesState: Bool { get }
    /// About how many bytes the response takes; 0: a few hundred.
    static func size(of outcome: Command.Outcome) -> Int
}

extension FlowMethod {
    static var carriesState: Bool { false }
    static func size(of outcome: Command.Outcome) -> Int { 0 }
}

extension FlowMethod {
    static func size<Element>(of page: Page<Element>) -> Int where Command.Outcome == Page<Element> { page.byteCount }
}

/// What methods run on.
struct MethodRunner: Sendable {
    let store: StateStore

    /// What an event loop decodes, checks and encodes itself, in bytes; some 10 ns each. What is larger is left to the scheduler.
    private static let quickBytes = 64 << 10
    /// What decoding a large request takes besides the message, for each of its bytes: protobuf-c's message and ours.
    private static let decodingFactor = 2

    func route<Method: FlowMethod>(_ service: String, _ method: Method.Type) -> Route {
        Route(service: service, method: Method.name, .unary { request, call in self.run(method, request, call) })
    }

    private func run<Method: FlowMethod>(_ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall) {
        var context = operationContext(call)
        let size = message.readableBytes
        if size <= Self.quickBytes { return begin(method, message, call, context) }
        do {
            try context.reserve(size * Self.decodingFactor)
        } catch {
            return call.finish(ErrorTable.status(error))
        }
        if method.carriesState, let key = key(method, message, call) { context = store.placed(context, key) }
        store.schedule(
            .short, context,
            { (result: Result<Void, StateError>) in if case .failure(let error) = result { call.finish(ErrorTable.status(error)) } }
        ) { [context] in self.begin(method, message, call, context) }
    }

    /// The flow that a request names which is not decoded yet; nil: none, or it is refused when it is decoded.
    private func key<Method: FlowMethod>(_ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall) -> FlowKey? {
        guard let flowID = message.withUnsafeReadableBytes({ Method.Request.text(of: "flow_id", in: $0) }), !flowID.isEmpty,
            let caller = try? Caller(call.metadata)
        else { return nil }
        return try? FlowKey(tenant: caller.tenant, flowID: flowID, limits: store.limits)
    }

    private func begin<Method: FlowMethod>(_ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall, _ context: OperationContext) {
        let request: Method.Request
        do {
            request = try decode(message, context)
        } catch {
            return call.finish(error)
        }
        let flowID = Method.flowID(request)
        do {
            let requestContext = RequestContext(caller: try Caller(call.metadata), limits: store.limits, makeID: IDGenerator.next)
            let command = try Method.command(request, requestContext)
            try command.submit(to: store, context: context) { result in
                switch result {
                case .success(let outcome): answer(method, outcome, flowID: flowID, call)
                case .failure(let error): call.finish(ErrorTable.status(error))
                }
            }
        } catch {
            call.finish(ErrorTable.status(error))
        }
    }

    /// A large message may take as much again as it has bytes, which is reserved. One that takes more, since it has very many parts, is
    /// decoded anew when there is memory for the most that it may take.
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

    private func answer<Method: FlowMethod>(
        _ method: Method.Type, _ outcome: Method.Command.Outcome, flowID: String, _ call: ServerCall
    ) {
        let size = Method.size(of: outcome)
        if size <= Self.quickBytes { return call.respond(FramedMessage(encoding: Method.response(outcome, flowID: flowID))) }
        // The answer, which waits for the event loop. What it is made of may be remembered, and no call's own.
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
        ) { FramedMessage(encoding: Method.response(outcome, flowID: flowID)) }
    }

    /// A call that ends early, or whose deadline passes, takes its command along.
    private func operationContext(_ call: ServerCall) -> OperationContext {
        let token = CancellationToken()
        call.onCancel { token.cancel() }
        let deadline = call.deadline.map { ContinuousClock.now + .nanoseconds(($0 - .now()).nanoseconds) }
        return OperationContext(
            deadline: deadline, cancellation: token, executor: call.work, caller: call.connectionID,
            memory: call)
    }
}
