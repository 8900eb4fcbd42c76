import NIOCore
import Synchronization

/// A call, as observers see it.
package struct ObservedCall: Sendable {
    /// Unique among the calls of this process.
    package let id: UInt64
    /// `/service/method`, as the client sent it. A path without a route is arbitrary text of the client: do not keep a metric for each.
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
        /// By a deadline: the caller's, or the server's own for requests and idle streams.
        case deadlineExceeded
        /// By the loss of its connection.
        case connectionLost
    }

    package let kind: Kind
    /// The status that the client got, or would have got.
    package let code: StatusCode
    /// Bytes of messages, in both directions.
    package let requestBytes: Int
    package let responseBytes: Int
    package let duration: TimeAmount
}

/// Observes the beginning and the end of every call, each exactly once, however the call ends: for metrics, logs and audit.
///
/// Called on the event loop of the call's connection: it must not block, and takes microseconds at most.
package protocol CallObserver: Sendable {
    func began(_ call: ObservedCall)
    func ended(_ call: ObservedCall, _ ending: CallEnding)
}

/// Reports one call to the observer. Confined to the call's event loop; exists only with an observer.
final class Observation {
    private static let lastID = Atomic<UInt64>(0)

    private let observer: any CallObserver
    private let call: ObservedCall
    private let opened: NIODeadline
    var requestBytes = 0
    var responseBytes = 0

    init(
        _ observer: any CallObserver, path: String, isRouted: Bool, peer: String, metadata: Metadata, began opened: NIODeadline
    ) {
        self.observer = observer
        self.opened = opened
        let id = Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
        call = ObservedCall(id: id, path: path, isRouted: isRouted, peer: peer, metadata: metadata)
        observer.began(call)
    }

    /// Called once: `CallState` lets a call end once.
    func ended(_ kind: CallEnding.Kind, _ code: StatusCode) {
        observer.ended(
            call,
            CallEnding(
                kind: kind, code: code, requestBytes: requestBytes, responseBytes: responseBytes, duration: .now() - opened))
    }
}
