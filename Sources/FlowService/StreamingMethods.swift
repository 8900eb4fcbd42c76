import FlowModel
import GRPC
import NIOCore
import Protobuf

/// The requests of a call that streams them, decoded.
struct RequestStream<Request: WireMessage>: AsyncSequence {
    let messages: MessageStream
    /// Bytes that decoding one message may take.
    let ceiling: Int

    struct AsyncIterator: AsyncIteratorProtocol {
        var messages: MessageStream.AsyncIterator
        let ceiling: Int

        mutating func next() async throws -> Request? {
            guard let message = try await messages.next() else { return nil }
            do throws(WireError) {
                return try Request.decode(message, ceiling: ceiling)
            } catch {
                throw ErrorTable.status(error, of: Request.fullName)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(messages: messages.makeAsyncIterator(), ceiling: ceiling) }
}

/// Where a method that streams its responses sends them.
struct ResponseStream<Response: WireMessage>: Sendable {
    let call: ServerCall

    /// Sends a response, and returns when there is room for the next one.
    /// - Throws: `CancellationError` when the call is over; a `Status` when there is no memory for the message.
    func send(_ response: Response) async throws { try await call.send(FramedMessage(encoding: response)) }
}
