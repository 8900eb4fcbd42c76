import NIOCore

/// What few calls need. Apart, also for the sake of the many: whatever holds a type of the concurrency library
/// makes Swift look its layout up at run time, which is why nothing here is inlined.
final class StreamingState {
    /// Of a streaming method.
    var requests: MessageStream.Source?
    var task: Task<Void, Never>?
    /// Who waits in `send`.
    var writers: [CheckedContinuation<Void, any Error>] = []
    /// When the client last sent something, or was sent something.
    var lastActive = NIODeadline.now()
    /// What came is still being cut into messages, or waits until the method has taken some; more of it may wait, and the request's end
    /// behind that.
    var isCutting = false
    var isPaused = false
    var uncut = CircularBuffer<ByteBuffer>()
    var endWaits = false
    /// The method only waits for requests: a shutdown ends them.
    var stopsAtShutdown = false
    /// After the first.
    var cancelHandlers: [@Sendable () -> Void] = []

    @inline(never)
    func yield(_ message: ByteBuffer, credit: Int) { requests?.yield(message, credit: credit) }

    @inline(never)
    func finishRequests() { requests?.finish() }

    /// Ends the requests behind those that have come, and whoever waits for a reader.
    @inline(never)
    func stop(_ status: Status) {
        requests?.finish(throwing: status)
        for writer in writers { writer.resume(throwing: status) }
        writers = []
    }

    @inline(never)
    func end() {
        task?.cancel()
        // Not an end of the request: whoever still reads must not take it for one.
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
