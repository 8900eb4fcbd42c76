/// The status codes of gRPC (doc/statuscodes.md of the gRPC project).
public enum StatusCode: Int, Sendable, CaseIterable {
    /// The call succeeded.
    case ok = 0
    /// Its caller gave it up.
    case cancelled
    /// An error that says no more of itself.
    case unknown
    /// The request is wrong, whatever state the server is in.
    case invalidArgument
    /// Its time ran out; whether it was carried out is open.
    case deadlineExceeded
    /// What it names is not there.
    case notFound
    /// What it would create is there.
    case alreadyExists
    /// The caller may not do this.
    case permissionDenied
    /// A limit or a quota was reached.
    case resourceExhausted
    /// What it works on is not in a state for it.
    case failedPrecondition
    /// Another call came between; begin again from what there is now.
    case aborted
    /// It goes beyond the end.
    case outOfRange
    /// The server has no such method.
    case unimplemented
    /// A fault of the server or of the protocol.
    case `internal`
    /// The server cannot be reached, or cannot work now; try again.
    case unavailable
    /// Stored data is damaged.
    case dataLoss
    /// The server does not know who calls.
    case unauthenticated

    /// The code's name as gRPC's documentation writes it, such as `NOT_FOUND`.
    public var name: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }
}

/// Why the transport answered RESOURCE_EXHAUSTED.
public enum TransportRefusal: Sendable, Equatable {
    /// A message announces more bytes than the limit, or a header section has more, as far as it was read.
    case tooLarge(size: Int, limit: Int)
    /// The connection has too much under way: the client can send less at a time, or try again later.
    case overloaded
}

/// How a call ended. Thrown by clients when the code is not `ok`.
public struct Status: Error, Sendable, Equatable {
    /// What kind of end it was.
    public var code: StatusCode
    /// For people: what went wrong and what to do.
    public var message: String
    /// A serialised `google.rpc.Status`, sent as `grpc-status-details-bin`; empty: none.
    public var details: [UInt8]

    /// When the client may retry, in milliseconds; negative: it must not. Sent as `grpc-retry-pushback-ms`, which clients with a retry policy
    /// obey (gRFC A6, Pushback). Nil: the client decides.
    public var retryPushback: Int64?

    /// Why the transport refused the call, where the code alone does not say; it is not sent.
    public var refusal: TransportRefusal?

    /// A status with what was said about it.
    public init(
        _ code: StatusCode, _ message: String = "", details: [UInt8] = [], retryPushback: Int64? = nil, refusal: TransportRefusal? = nil
    ) {
        self.code = code
        self.message = message
        self.details = details
        self.retryPushback = retryPushback
        self.refusal = refusal
    }

    /// Success.
    public static let ok = Status(.ok)
}
