import HTTP2
import NIOCore

/// One call on the server: what a method reads of it, and what it answers through.
///
/// `@unchecked Sendable`: the mutable state is touched on `eventLoop` only. Every public method that
/// touches it hops there first (`onLoop`); the internal ones are called by the connection's handler,
/// which lives on that loop, and assert it.
public final class ServerCall: @unchecked Sendable {
    public let path: String
    public let metadata: Metadata
    public let eventLoop: any EventLoop
    /// When the caller stops waiting. Nil: a stream without a deadline.
    public let deadline: NIODeadline?

    let id: StreamID
    private let handler: MethodHandler
    private weak var connection: ServerConnectionHandler?
    private var state: CallState
    private var deframer: MessageDeframer
    private var unaryRequest: ByteBuffer?
    private var requests: MessageStream.Source?
    private var task: Task<Void, Never>?
    private var timer: Scheduled<Void>?
    private var cancelHandlers: [@Sendable () -> Void] = []
    private var writers: [CheckedContinuation<Void, any Error>] = []
    private var credit = ReceiveCredit()
    /// Bytes received that the client's window has not got back.
    private var unreturned = 0
    /// Request bytes that this call has in memory; part of the connection's `bufferedBytes`.
    private var held = 0
    private let requestDeadline: NIODeadline

    init(
        id: StreamID, path: String, metadata: Metadata, deadline: NIODeadline?, handler: MethodHandler,
        connection: ServerConnectionHandler, eventLoop: any EventLoop
    ) {
        self.id = id
        self.path = path
        self.metadata = metadata
        self.deadline = deadline
        self.handler = handler
        self.connection = connection
        self.eventLoop = eventLoop
        state = CallState(kind: handler.kind)
        deframer = MessageDeframer(limit: connection.configuration.messageBytes)
        requestDeadline = .now() + connection.configuration.requestTimeout
    }

    // MARK: What a method does

    /// Answers a unary call: its message, and OK.
    public func respond(_ message: FramedMessage) {
        onLoop { call in
            if let connection = call.connection, !connection.hasRoom(for: message.messageBytes) {
                return call.end(ServerConnectionHandler.slowReader)
            }
            call.transmit(message)
            call.end(.ok)
        }
    }

    /// Ends the call. Only the first end of a call counts.
    public func finish(_ status: Status) { onLoop { $0.end(status) } }

    /// Sends one message of a streamed answer, and returns when the next one has room.
    /// - Throws: `CancellationError` once the call is over.
    public func send(_ message: FramedMessage) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            onLoop { call in
                guard let connection = call.connection, !call.state.isOver else {
                    continuation.resume(throwing: CancellationError())
                    return
                }
                call.transmit(message)
                if connection.session.isBlocked(call.id) {
                    call.writers.append(continuation)
                } else {
                    continuation.resume()
                }
            }
        }
    }

    /// Runs `handler` on the event loop when the call ends before its status: reset by the client,
    /// deadline passed, connection lost. At once if that has happened.
    public func onCancel(_ handler: @escaping @Sendable () -> Void) {
        onLoop { call in
            if call.state.isOver { handler() } else { call.cancelHandlers.append(handler) }
        }
    }

    private func onLoop(_ body: @escaping @Sendable (ServerCall) -> Void) {
        if eventLoop.inEventLoop { body(self) } else { eventLoop.execute { body(self) } }
    }

    // MARK: What the connection tells

    func start(timeout: TimeAmount?) {
        if let timeout {
            timer = eventLoop.assumeIsolated().scheduleTask(in: timeout) { self.deadlinePassed() }
        }
        guard case .streaming(_, let method) = handler else { return }
        let (stream, source) = MessageStream.make { message, credit in self.onLoop { $0.taken(message, credit) } }
        requests = source
        task = Task {
            do {
                try await method(stream, self)
                self.finish(.ok)
            } catch let status as Status {
                self.finish(status)
            } catch is CancellationError {
                self.finish(Status(.cancelled, "the server gave the call up"))
            } catch {
                self.finish(Status(.internal, "the method failed: \(error)"))
            }
        }
    }

    func received(_ bytes: ByteBuffer) {
        eventLoop.assertInEventLoop()
        unreturned += bytes.readableBytes
        guard !state.isOver else { return consume(unreturned) }
        deframer.append(bytes)
        hold(bytes.readableBytes)
        do {
            while let message = try deframer.next() { deliver(message) }
        } catch {
            return end(error.status)
        }
        if !state.isOver { consume(credit.partial(buffered: deframer.bufferedBytes)) }
        if let connection, connection.bufferedBytes > connection.configuration.bufferedBytesPerConnection {
            end(Status(.resourceExhausted, "this connection sends more at once than the server buffers; try again"))
        }
    }

    private func deliver(_ message: ByteBuffer) {
        let bytes = credit.completed(wireBytes: message.readableBytes + MessageDeframer.prefixBytes)
        switch state.receivedMessage() {
        case .drop: taken(message, bytes)
        case .fail(let status): end(status)
        case .deliver:
            if let requests {
                requests.yield(message, credit: bytes)
            } else {
                // In memory, and so held, until the call has its answer.
                unaryRequest = message
                credit.taken()
                consume(bytes)
            }
        }
    }

    /// A message was taken by the method.
    private func taken(_ message: ByteBuffer, _ bytes: Int) {
        guard !state.isOver else { return }
        credit.taken()
        hold(-(message.readableBytes + MessageDeframer.prefixBytes))
        consume(bytes + credit.partial(buffered: deframer.bufferedBytes))
    }

    private func hold(_ bytes: Int) {
        held += bytes
        connection?.bufferedBytes += bytes
    }

    func receivedEnd() {
        switch state.receivedEnd(incompleteBytes: deframer.bufferedBytes) {
        case .drop: break
        case .fail(let status): end(status)
        case .deliverEnd: requests?.finish()
        case .invokeUnary:
            guard case .unary(let method) = handler, let request = unaryRequest else { return }
            unaryRequest = nil
            method(request, self)
        }
    }

    /// Coarse time, about once a second.
    func tick(now: NIODeadline) {
        if let deadline, deadline <= now {
            // An answer that the client does not read by its own deadline would stay in memory.
            if state.isOver { connection?.reset(id, .cancel) } else { deadlinePassed() }
        } else if state.kind == .unary, state.inbound != .ended, requestDeadline <= now {
            end(Status(.deadlineExceeded, "the request did not arrive in time"), isCancellation: true)
        }
    }

    private func deadlinePassed() {
        end(Status(.deadlineExceeded, "the deadline passed before the call was done"), isCancellation: true)
    }

    func writable() { resumeWriters { $0.resume() } }

    /// The stream is gone.
    func closed() {
        if state.closed() { cancel() }
        release()
        connection = nil
    }

    // MARK: Acting

    /// Gives bytes back to the client's window; never more than came.
    private func consume(_ bytes: Int) {
        let bytes = min(bytes, unreturned)
        guard bytes > 0 else { return }
        unreturned -= bytes
        connection?.consume(id, bytes)
    }

    private func transmit(_ message: FramedMessage) {
        switch state.send() {
        case .drop: break
        case .headersThenMessage:
            connection?.respond(id, Self.responseFields, endStream: false)
            connection?.send(id, message.buffer)
        case .message: connection?.send(id, message.buffer)
        }
    }

    private func end(_ status: Status, isCancellation: Bool = false) {
        switch state.finish() {
        case .drop: return
        case .trailersOnly: connection?.respond(id, Self.responseFields + status.trailers, endStream: true)
        case .trailers: connection?.finish(id, status.trailers)
        }
        if isCancellation { cancel() }
        release()
    }

    private func cancel() {
        task?.cancel()
        for handler in cancelHandlers { handler() }
    }

    private func release() {
        timer?.cancel()
        timer = nil
        task?.cancel()
        task = nil
        cancelHandlers = []
        // Not an end of the request: whoever still reads must not take it for one.
        requests?.finish(throwing: CancellationError())
        requests = nil
        unaryRequest = nil
        // nghttp2 credits the connection's window by `consume` only, for streams that are gone too.
        consume(unreturned)
        hold(-held)
        deframer = MessageDeframer(limit: deframer.limit)
        resumeWriters { $0.resume(throwing: CancellationError()) }
    }

    private func resumeWriters(_ body: (CheckedContinuation<Void, any Error>) -> Void) {
        let waiting = writers
        writers = []
        waiting.forEach(body)
    }

    static let responseFields = [
        HeaderField(":status", "200"), HeaderField("content-type", "application/grpc"),
        HeaderField("grpc-accept-encoding", "identity"),
    ]
}
