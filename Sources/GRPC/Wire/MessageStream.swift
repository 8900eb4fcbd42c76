import NIOCore

/// Received messages in order. Taking one returns its bytes to the sender's flow-control window, so that a reader that does not read makes
/// the sender wait (RFC 9113 §5.2). For one reader.
public struct MessageStream: AsyncSequence, Sendable {
    /// An encoded message.
    public typealias Element = ByteBuffer
    /// `credit`: bytes to return to the sender's window when the message is taken (`ReceiveCredit`).
    typealias Item = (message: ByteBuffer, credit: Int, isCompressed: Bool)
    /// Runs when a message was taken.
    typealias Taken = @Sendable (_ message: ByteBuffer, _ credit: Int) -> Void

    /// Unbounded by itself; the window bounds what a sender can put in.
    private let items: AsyncThrowingStream<Item, any Error>
    private let consumed: Taken

    static func make(consumed: @escaping Taken) -> (MessageStream, Source) {
        let (items, continuation) = AsyncThrowingStream.makeStream(of: Item.self)
        return (MessageStream(items: items, consumed: consumed), Source(continuation: continuation))
    }

    struct Source: Sendable {
        fileprivate let continuation: AsyncThrowingStream<Item, any Error>.Continuation

        /// Runs `handler` when the reader stops reading before the end.
        func onAbandon(_ handler: @escaping @Sendable () -> Void) {
            continuation.onTermination = { if case .cancelled = $0 { handler() } }
        }

        func yield(_ message: ByteBuffer, credit: Int, isCompressed: Bool = false) {
            continuation.yield((message, credit, isCompressed))
        }
        func finish(throwing error: (any Error)? = nil) { continuation.finish(throwing: error) }
    }

    /// Takes the messages; one at a time may exist.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var items: AsyncThrowingStream<Item, any Error>.AsyncIterator
        fileprivate let consumed: Taken
        /// Whether the message that was returned last was compressed on the wire.
        package private(set) var wasCompressed = false

        fileprivate init(_ items: AsyncThrowingStream<Item, any Error>.AsyncIterator, _ consumed: @escaping Taken) {
            self.items = items
            self.consumed = consumed
        }

        /// The next message; nil after the last one.
        /// - Throws: the call's `Status`, or `CancellationError`.
        public mutating func next() async throws -> ByteBuffer? {
            guard let item = try await items.next() else {
                // A cancelled task gets an end too, which must not be taken for the sender's.
                try Task.checkCancellation()
                return nil
            }
            consumed(item.message, item.credit)
            wasCompressed = item.isCompressed
            return item.message
        }
    }

    /// For the one reader.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(items.makeAsyncIterator(), consumed)
    }
}
