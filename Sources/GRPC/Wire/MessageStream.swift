import NIOCore

/// Received messages in order. Taking one gives its bytes back to the sender's flow-control window, so
/// that who does not read makes the sender wait (RFC 9113 §5.2). For one reader.
public struct MessageStream: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer
    typealias Item = (message: ByteBuffer, credit: Int)

    /// Unbounded by itself; the window bounds what a sender can put in.
    private let items: AsyncThrowingStream<Item, any Error>
    private let consumed: @Sendable (Int) -> Void

    static func make(consumed: @escaping @Sendable (Int) -> Void) -> (MessageStream, Source) {
        let (items, continuation) = AsyncThrowingStream.makeStream(of: Item.self)
        return (MessageStream(items: items, consumed: consumed), Source(continuation: continuation))
    }

    struct Source: Sendable {
        fileprivate let continuation: AsyncThrowingStream<Item, any Error>.Continuation

        func yield(_ message: ByteBuffer, credit: Int) { continuation.yield((message, credit)) }
        func finish(throwing error: (any Error)? = nil) { continuation.finish(throwing: error) }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var items: AsyncThrowingStream<Item, any Error>.AsyncIterator
        fileprivate let consumed: @Sendable (Int) -> Void

        public mutating func next() async throws -> ByteBuffer? {
            guard let item = try await items.next() else { return nil }
            consumed(item.credit)
            return item.message
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(items: items.makeAsyncIterator(), consumed: consumed)
    }
}
