import NIOConcurrencyHelpers
import NIOCore

/// A streaming call: `send` and `finish` make its request, `messages` are its response. Thread-safe; one reader.
public final class ClientStream: Sendable {
    /// The server's messages; ends after the last one, or throws the call's `Status`.
    public let messages: MessageStream
    /// What the server sent before its first message, and with the end of a call that succeeded.
    private let metadata: NIOLockedValueBox<(initial: Metadata, trailing: Metadata)>
    private let settings: ClientCall.Settings
    private let eventLoop: any EventLoop
    private let call: NIOLoopBound<ClientCall>
    private let connection: NIOLoopBound<ClientConnectionHandler>

    private init(
        _ messages: MessageStream, _ metadata: NIOLockedValueBox<(initial: Metadata, trailing: Metadata)>, _ settings: ClientCall.Settings,
        _ call: ClientCall, _ connection: ClientConnectionHandler,
        _ loop: any EventLoop
    ) {
        self.messages = messages
        self.metadata = metadata
        self.settings = settings
        self.call = NIOLoopBound(call, eventLoop: loop)
        self.connection = NIOLoopBound(connection, eventLoop: loop)
        eventLoop = loop
    }

    /// On the connection's event loop.
    static func open(
        _ path: String, _ metadata: Metadata, _ timeout: TimeAmount?, _ silence: TimeAmount?, _ settings: ClientCall.Settings,
        _ connection: ClientConnectionHandler, _ loop: any EventLoop
    ) -> ClientStream {
        let handle = CallHandle(eventLoop: loop)
        let (stream, source) = MessageStream.make { _, credit in handle.taken(credit) }
        source.onAbandon { handle.cancel() }
        let received = NIOLockedValueBox((initial: Metadata(), trailing: Metadata()))
        let call = ClientCall(
            path: path, metadata: metadata, timeout: timeout, silence: silence, settings: settings, consumesAtOnce: false,
            onMessage: { source.yield($0, credit: $1, isCompressed: $2) },
            onEnd: { result in
                switch result {
                case .success(let trailers):
                    received.withLockedValue { $0.trailing = trailers }
                    source.finish()
                case .failure(let status): source.finish(throwing: status)
                }
            })
        call.onMetadata = { metadata in received.withLockedValue { $0.initial = metadata } }
        handle.attach(call)
        connection.start(call, message: nil, endStream: false)
        return ClientStream(stream, received, settings, call, connection, loop)
    }

    /// The server's initial metadata; complete once the first message has come.
    public var initialMetadata: Metadata { metadata.withLockedValue(\.initial) }

    /// The metadata behind the last message; complete once `messages` has ended without an error.
    public var trailingMetadata: Metadata { metadata.withLockedValue(\.trailing) }

    /// Sends a message, and returns when there is room for the next one.
    /// - Throws: `CancellationError` when the call is over; `messages` says why.
    public func send(_ message: FramedMessage) async throws {
        let message = settings.compression.map { message.sent($0, settings.codecs) } ?? message
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            eventLoop.execute { self.connection.value.send(self.call.value.id, message, continuation) }
        }
    }

    /// Ends the request: no more messages follow.
    public func finish() { eventLoop.execute { self.connection.value.finish(self.call.value.id) } }

    /// Ends the call; `messages` throws CANCELLED. Nothing happens when the call is over.
    public func cancel() {
        eventLoop.execute { self.call.value.abandon(Status(.cancelled, "the caller cancelled the call")) }
    }
}
