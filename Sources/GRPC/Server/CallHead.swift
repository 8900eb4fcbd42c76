import HTTP2
import NIOCore

/// What a request's header section comes to. Calls with the same section share one: clients send nearly
/// the same section again and again, and the session then gives the very same array.
final class CallHead: Sendable {
    let path: String
    let metadata: Metadata
    let handler: MethodHandler
    let kind: MethodKind
    /// How long the caller waits. Nil: a stream without a deadline.
    let timeout: TimeAmount?
    /// The client asked for this timeout. A default one is coarse: the tick looks after it, without a timer.
    let isTimeoutExact: Bool
    /// What the section takes in memory, roughly.
    let bytes: Int
    /// What a call is answered whose answer finds no memory.
    let overloaded: Status
    /// That of the connection's event loop.
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
    /// Whether these are the fields of `array` because both are the same memory. An array that is held here is
    /// never written in place, so that the same address means the same content.
    func isBacked(by array: [HeaderField]) -> Bool {
        guard fields.count == array.count, !array.isEmpty else { return false }
        return fields.withUnsafeBufferPointer { mine in array.withUnsafeBufferPointer { mine.baseAddress == $0.baseAddress } }
    }
}
