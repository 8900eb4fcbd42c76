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
}

/// What methods run on.
struct MethodRunner: Sendable {
    let store: StateStore
    let executors: EventLoopExecutors

    func route<Method: FlowMethod>(_ service: String, _ method: Method.Type) -> Route {
        Route(service: service, method: Method.name, .unary { request, call in self.run(method, request, call) })
    }

    private func run<Method: FlowMethod>(_ method: Method.Type, _ message: ByteBuffer, _ call: ServerCall) {
        let request: Method.Request
        do {
            request = try Method.Request.decode(message, ceiling: store.limits.arenaBytes)
        } catch {
            return call.finish(ErrorTable.status(error, of: Method.Request.fullName))
        }
        let flowID = Method.flowID(request)
        do {
            let context = RequestContext(
                caller: try Caller(call.metadata), limits: store.limits, makeID: IDGenerator.next)
            let command = try Method.command(request, context)
            try command.submit(to: store, context: operationContext(call)) { result in
                switch result {
                case .success(let outcome):
                    call.respond(FramedMessage(encoding: Method.response(outcome, flowID: flowID)))
                case .failure(let error): call.finish(ErrorTable.status(error))
                }
            }
        } catch {
            call.finish(ErrorTable.status(error))
        }
    }

    /// A call that ends early, or whose deadline passes, takes its command along.
    private func operationContext(_ call: ServerCall) -> OperationContext {
        let token = CancellationToken()
        call.onCancel { token.cancel() }
        let deadline = call.deadline.map { ContinuousClock.now + .nanoseconds(($0 - .now()).nanoseconds) }
        return OperationContext(
            deadline: deadline, cancellation: token, executor: executors.executor(for: call.eventLoop))
    }
}
