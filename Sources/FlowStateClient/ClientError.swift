public import GRPC
import Protobuf
public import WireMessages

/// Why a call failed: gRPC's code, Flowstate's reason, and what the server says to do.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    /// gRPC's code of the error.
    public let code: StatusCode
    /// Flowstate's stable name of the error, such as `VERSION_CONFLICT`; nil when the failure came from
    /// gRPC or the network.
    public let reason: String?
    /// For people: what happened and what to do.
    public let message: String
    /// For ABORTED with `VERSION_CONFLICT`: what was expected and what there is.
    public let conflict: VersionConflict?
    /// When the server says that a retry may help: how long to wait.
    public let retryDelay: Duration?

    /// For INVALID_ARGUMENT with `INVALID_REQUEST`: the wrong fields of the request.
    public let fields: [String]

    init(_ status: Status) {
        code = status.code
        message = status.message
        // A server in between may have put anything there; what cannot be read is left out.
        let details = (try? RPCStatus.decode(status.details))?.details ?? []
        func first<M: WireMessage>(_ type: M.Type) -> M? {
            for detail in details { if let message = try? detail.unpack(as: type) { return message } }
            return nil
        }
        reason = first(ErrorInfo.self).flatMap { $0.domain == "flowstate" ? $0.reason : nil }
        conflict = first(VersionConflict.self)
        fields = first(BadRequest.self)?.fieldViolations.map(\.field) ?? []
        retryDelay = first(RetryInfo.self)?.retryDelay ?? status.retryPushback.flatMap { $0 < 0 ? nil : .milliseconds($0) }
    }

    /// Of anything that a call threw.
    init(wrapping error: any Error) {
        switch error {
        case let error as ClientError: self = error
        case let status as Status: self.init(status)
        case is CancellationError: self.init(Status(.cancelled, "the call was cancelled"))
        case let error: self.init(Status(.unavailable, "the call failed: \(error)"))
        }
    }

    init(missing field: String) { self.init(Status(.internal, "the server's answer has no \(field)")) }

    /// Whether the same call may succeed a moment later, on this server or another one.
    public var isTransient: Bool { code == .unavailable || code == .resourceExhausted && retryDelay != nil }

    /// The reason, or else the code, and the message.
    public var description: String { "\(reason ?? code.name): \(message)" }
}
