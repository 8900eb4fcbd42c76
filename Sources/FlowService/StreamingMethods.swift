import FlowModel
import FlowStore
import GRPC
import NIOCore
import Protobuf

/// The requests of a call that streams them, decoded.
struct RequestStream<Request: WireMessage>: AsyncSequence {
    let messages: MessageStream
    let call: ServerCall
    /// Bytes that decoding one message may take.
    let ceiling: Int

    struct AsyncIterator: AsyncIteratorProtocol {
        var messages: MessageStream.AsyncIterator
        let call: ServerCall
        let ceiling: Int
        /// Of the call's memory, for the message that was returned last.
        private var reserved = 0

        init(messages: MessageStream.AsyncIterator, call: ServerCall, ceiling: Int) {
            (self.messages, self.call, self.ceiling) = (messages, call, ceiling)
        }

        /// - Throws: a `Status`: the message cannot be decoded, or there is no memory for it.
        mutating func next() async throws -> Request? {
            call.memory.release(reserved)
            reserved = 0
            guard let message = try await messages.next() else { return nil }
            // The message as it came, and decoded.
            let bytes = MethodRunner.decodingFactor * message.readableBytes
            guard call.memory.reserve(bytes) else { throw TransportErrors.overloaded(memoryLimit: call.memory.budget.limit) }
            reserved = bytes
            do throws(WireError) {
                return try Request.decode(message, ceiling: ceiling)
            } catch {
                throw ErrorTable.status(error, of: Request.fullName)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(messages: messages.makeAsyncIterator(), call: call, ceiling: ceiling) }
}

/// Where a method that streams its responses sends them.
struct ResponseStream<Response: WireMessage>: Sendable {
    let call: ServerCall

    /// Sends a response, and returns when there is room for the next one.
    /// - Throws: `CancellationError` when the call is over; a `Status` when there is no memory for the message.
    func send(_ response: Response) async throws { try await call.send(FramedMessage(encoding: response)) }

    /// For what the store does for the call, whose task is cancelled with it.
    var operationContext: OperationContext {
        OperationContext(caller: call.connectionID, memory: call)
    }
}
