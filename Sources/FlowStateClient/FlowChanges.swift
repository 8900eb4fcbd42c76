import GRPC
import NIOCore
public import WireMessages

/// The events of a watch (`StateClient.watchFlows`): each version that is committed, at least once, those of a flow in order, and bookmarks
/// between them. Begins at the first `next`; ends when its task is cancelled or its iterator is released.
///
/// Once it has begun, it goes on from the last cursor when the connection breaks or the server stops, for as long as that takes; also when
/// neither an event nor a bookmark came for three times the interval of bookmarks (`request.bookmarkInterval`, 30 seconds if it has none).
/// It throws a `ClientError` when it cannot begin, and one that repeating would not help.
public struct FlowChanges: AsyncSequence, Sendable {
    let client: StateClient
    let request: WatchFlowsRequest

    /// One run of a watch.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let client: StateClient
        private var request: WatchFlowsRequest
        private var stream: (handle: ClientStream, messages: MessageStream.AsyncIterator)?
        private var backoff = RetryBackoff()
        private var hasBegun = false
        /// The server that it watches on.
        private var place = 0

        /// How long the watch may be silent.
        private let silence: Duration

        init(_ client: StateClient, _ request: WatchFlowsRequest) {
            (self.client, self.request) = (client, request)
            // Asked for even where it is the server's default, which may be another one there.
            let interval = request.bookmarkInterval ?? .seconds(30)
            self.request.bookmarkInterval = interval
            silence = Swift.min(Swift.max(interval, .seconds(1)), .seconds(86_400)) * 3
        }

        /// The next event; waits for it.
        /// - Throws: `ClientError`, or `CancellationError` when the task was cancelled.
        public mutating func next() async throws -> WatchFlowsResponse? {
            while true {
                do {
                    if stream == nil { stream = try await open() }
                    if let message = try await stream?.messages.next() {
                        let event = try decode(message)
                        request.start = .cursor(event.cursor)
                        (backoff, hasBegun) = (RetryBackoff(), true)
                        return event
                    }
                } catch {
                    stream = nil
                    try Task.checkCancellation()
                    let failure = ClientError(wrapping: error)
                    if failure.code == .unavailable { client.advance(from: place) }
                    guard hasBegun, failure.isTransient else { throw failure }
                    try await Task.sleep(for: backoff.next(atLeast: failure.retryDelay))
                    continue
                }
                // A server ends a watch with an error only; one in between may end it otherwise.
                stream = nil
                try await Task.sleep(for: backoff.next(atLeast: nil))
            }
        }

        private func decode(_ message: ByteBuffer) throws -> WatchFlowsResponse {
            do {
                return try WatchFlowsResponse.decode(message, ceiling: .max)
            } catch {
                throw ClientError(Status(.internal, "the server's message is not a WatchFlowsResponse: \(error)"))
            }
        }

        private mutating func open() async throws -> (ClientStream, MessageStream.AsyncIterator) {
            place = client.place
            let stream = try await client.stream(.watchFlows, to: place, silence: silence)
            // When the call is over already, its messages say why.
            do { try await stream.send(FramedMessage(encoding: request)) } catch is CancellationError {}
            stream.finish()
            return (stream, stream.messages.makeAsyncIterator())
        }
    }

    /// Begins a watch, where `request.start` says, at its first `next`.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(client, request) }
}

extension StateClient {
    /// Watches flows, from where `request.start` says. See `FlowChanges`.
    public func watchFlows(_ request: WatchFlowsRequest = WatchFlowsRequest()) -> FlowChanges {
        FlowChanges(client: self, request: request)
    }
}
