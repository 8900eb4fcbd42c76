import HTTP2
import NIOCore

/// The state that only few calls need. It is kept apart also to keep the others fast: Swift looks up the layout of what holds a type of the
/// concurrency library at run time, which is why nothing here is inlined.
final class StreamingState {
    /// The requests of a streaming method.
    var requests: MessageStream.Source?
    var task: Task<Void, Never>?
    /// The continuations that wait in `send`.
    var writers: [CheckedContinuation<Void, any Error>] = []
    /// When the client or the server last sent something.
    var lastActive = NIODeadline.now()
    /// `isCutting`: bytes that arrived are still being cut into messages, or wait (`isPaused`) until the method has taken some. More bytes
    /// may wait behind them in `uncut`, and then the request's end (`endWaits`).
    var isCutting = false
    var isPaused = false
    var uncut = CircularBuffer<ByteBuffer>()
    var endWaits = false
    /// The message that another thread decompresses; the bytes behind it wait (`isCutting`).
    var decompression: Decompression?
    /// The method's own fields in the response's header section, and in its trailers.
    var headFields: [HeaderField] = []
    var trailerFields: [HeaderField] = []
    /// The method only waits for requests: a shutdown ends them.
    var stopsAtShutdown = false
    /// The handlers after the first one, which the call has.
    var cancelHandlers: [@Sendable () -> Void] = []

    var hasFields: Bool { !headFields.isEmpty || !trailerFields.isEmpty }

    @inline(never)
    func yield(_ message: ByteBuffer, credit: Int, isCompressed: Bool) {
        requests?.yield(message, credit: credit, isCompressed: isCompressed)
    }

    @inline(never)
    func finishRequests() { requests?.finish() }

    /// Ends the requests after those that have arrived, and every `send` that waits for the client, with `status`.
    @inline(never)
    func stop(_ status: Status) {
        requests?.finish(throwing: status)
        for writer in writers { writer.resume(throwing: status) }
        writers = []
    }

    @inline(never)
    func end() {
        task?.cancel()
        decompression?.cancel()
        // An error, so that a method that still reads does not take it for the request's end.
        requests?.finish(throwing: CancellationError())
        for writer in writers { writer.resume(throwing: CancellationError()) }
    }
}

extension ServerCall {
    /// Runs a streaming method to its end.
    func outcome(of method: StreamingMethod, _ requests: MessageStream) async -> Status {
        do {
            try await method(requests, self)
            return .ok
        } catch let status as Status {
            return status
        } catch is CancellationError {
            return Status(.cancelled, "the server gave the call up")
        } catch {
            return Status(.internal, "the method failed: \(error)")
        }
    }
}
