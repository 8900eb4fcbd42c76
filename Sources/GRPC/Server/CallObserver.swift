import NIOCore

/// A call, as observers see it.
package struct ObservedCall: Sendable {
    /// Differs from those of all other calls of this process.
    package let id: UInt64
    /// `/service/method`, as the client sent it. A path that no route has is the client's text: do not keep one figure for each.
    package let path: String
    /// Whether the server has the method.
    package let isRouted: Bool
    /// The address of the client.
    package let peer: String
    package let metadata: Metadata
}

/// How a call ended.
package struct CallEnding: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// By its method: with a response, or with a status of its own.
        case answered
        /// By the server before, or instead of, its method: no such method, a limit, a malformed request.
        case refused
        /// By the client, which reset the stream.
        case cancelled
        /// Because its time was over: the caller's deadline, or the server's own for requests and idle streams.
        case deadlineExceeded
        /// With its connection.
        case connectionLost
    }

    package let kind: Kind
    /// The status that the client got; of one that got none, what the status would be.
    package let code: StatusCode
    /// Bytes of messages, in both directions.
    package let requestBytes: Int
    package let responseBytes: Int
    package let duration: TimeAmount
}

/// Hears of every call's beginning and of its end, each exactly once, whichever way it ends. Metrics, logs and audit hang here.
///
/// Called on the event loop of the call's connection: it takes microseconds and does not block.
package protocol CallObserver: Sendable {
    func began(_ call: ObservedCall)
    func ended(_ call: ObservedCall, _ ending: CallEnding)
}
