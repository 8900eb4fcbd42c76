import HTTP2
import NIOCore

/// A request's header section, resolved to a method, a timeout and metadata. Calls with the same section share one: clients send nearly the
/// same section again and again, and the session then returns the same array.
final class CallHead: Sendable {
    let path: String
    let metadata: Metadata
    let handler: MethodHandler
    let kind: MethodKind
    /// How long the caller waits. Nil: a stream without a deadline.
    let timeout: TimeAmount?
    /// Whether the client sent this timeout. A default one is coarse: the tick checks it, without a timer.
    let isTimeoutExact: Bool
    /// Approximate memory of the section.
    let bytes: Int
    /// The status of a call for whose response there is no memory.
    let overloaded: Status
    /// The sliced work of the connection's event loop.
    let work: SlicedWork

    init(
        path: String, timeout: TimeAmount?, metadata: Metadata, handler: MethodHandler, configuration: ServerConfiguration,
        work: SlicedWork
    ) {
        self.path = path
        self.metadata = metadata
        self.handler = handler
        self.work = work
        overloaded = configuration.answerOverloaded
        kind = handler.kind
        self.timeout =
            kind == .unary ? min(timeout ?? configuration.defaultTimeout, configuration.maximumTimeout) : timeout
        isTimeoutExact = timeout != nil
        bytes = metadata.fields.reduce(0) { $0 + $1.size }
    }
}

extension Metadata {
    /// Whether `array` has the same storage as these fields. An array that is held here is never written in place, so the same address
    /// means the same content.
    func isBacked(by array: [HeaderField]) -> Bool {
        guard fields.count == array.count, !array.isEmpty else { return false }
        return fields.withUnsafeBufferPointer { mine in array.withUnsafeBufferPointer { mine.baseAddress == $0.baseAddress } }
    }
}
