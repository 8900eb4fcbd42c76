import FlowAccess
import FlowModel
import FlowStore
import Protobuf
import WireMessages

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
    /// The flow that the request names; empty for lists.
    static func flowID(_ request: Request) -> String
    /// Whether the request carries a new state of the flow that it names: such changes keep their order while they are decoded.
    static var carriesState: Bool { get }
    /// About how many bytes the response takes; 0: a few hundred.
    static func size(of outcome: Command.Outcome) -> Int
}

extension UnaryFlowMethod {
    static var carriesState: Bool { false }
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
