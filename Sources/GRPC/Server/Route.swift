import NIOCore

/// A method that streams: it reads `requests`, and responds through `call`.
package typealias StreamingMethod = @Sendable (_ requests: MessageStream, _ call: ServerCall) async throws -> Void

/// What implements a method.
package enum MethodHandler: Sendable {
    /// Called on the call's event loop with the one request message; ends the call through `call`, now or later, from any thread. Must not
    /// block.
    case unary(@Sendable (_ request: ByteBuffer, _ call: ServerCall) -> Void)
    /// For methods that stream in either direction. Runs as a task of its own, which is cancelled with the call. Returning ends the call
    /// with OK, throwing a `Status` ends it with that status.
    case streaming(MethodKind, StreamingMethod)

    var kind: MethodKind {
        switch self {
        case .unary: .unary
        case .streaming(let kind, _): kind
        }
    }
}

/// One method of a service: `service` is its full name, such as `grpc.health.v1.Health`.
package struct Route: Sendable {
    package let service: String
    package let method: String
    package let handler: MethodHandler

    package init(service: String, method: String, _ handler: MethodHandler) {
        self.service = service
        self.method = method
        self.handler = handler
    }

    package var path: String { "/\(service)/\(method)" }
}

/// All methods that a server has, by path.
package struct Router: Sendable {
    private let handlers: [String: MethodHandler]
    package let services: Set<String>

    package init(_ routes: [Route]) {
        handlers = Dictionary(routes.map { ($0.path, $0.handler) }) { first, _ in first }
        services = Set(routes.map(\.service))
    }

    func handler(_ path: String) -> MethodHandler? { handlers[path] }

    /// The status for a path without a route: it names the unknown service, or the unknown method.
    func unimplemented(_ path: String) -> Status {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty else {
            return Status(.unimplemented, "the path must be /service/method")
        }
        if services.contains(String(parts[1])) {
            return Status(.unimplemented, "the service \(parts[1]) has no method \(parts[2])")
        }
        return Status(.unimplemented, "this server has no service \(parts[1])")
    }
}
