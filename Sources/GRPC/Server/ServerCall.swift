import HTTP2
import NIOCore
import Resources
import Synchronization

/// One call on the server: what a method reads of it, and what it answers through.
///
/// `@unchecked Sendable`: the mutable state is touched on `eventLoop` only. Every public method that
/// touches it hops there first (`onLoop`); the internal ones are called by the connection's handler,
/// which lives on that loop, and assert it.
package final class ServerCall: MemoryHolder, @unchecked Sendable {
    package var path: String { head.path }
    package var metadata: Metadata { head.metadata }
    /// The address of the client.
    package let peer: String
    package let eventLoop: any EventLoop
    /// When the caller stops waiting. Nil: a stream without a deadline.
    package let deadline: NIODeadline?

    /// What the call has reserved of the process's memory, for what its method loads and computes with; for any thread. Whoever still
    /// works for a call that was cancelled holds it; when the call is answered, everything in it is given back.
    package var memory: MemoryAccount { account.load() ?? account.storeIfNil(MemoryAccount(memoryBudget)) }

    /// What its event loop does in slices, and what others have for it to do.
    package var work: SlicedWork { head.work }

    /// Tells the calls of one connection from those of others, as long as it is open.
    package let connectionID: UInt64

    let id: StreamID
    /// What it costs its connection while it is open.
    let openBytes: Int
    let head: CallHead
    private let memoryBudget: MemoryBudget
    /// Most calls need none.
    private let account = AtomicLazyReference<MemoryAccount>()
    /// Until the stream is gone, of which the connection tells every call.
    var connection: ServerConnectionHandler?
    var state: CallState
    let messageLimit: Int
    /// Of a request that did not arrive as one whole message at once.
    var deframer: MessageDeframer?
    var unaryRequest: ByteBuffer?
    var streaming: StreamingState?
    private var cancelHandler: (@Sendable () -> Void)?
    var credit = ReceiveCredit()
    /// Bytes received that the client's window has not got back.
    var unreturned = 0
    /// Request bytes that this call has in memory; part of the connection's `bufferedBytes`.
    var held = 0
    /// What of it the method has taken over, and `memory` counts.
    var handedOver = 0
    private let opened: NIODeadline
    private let requestDeadline: NIODeadline
    /// Nil: there is no observer.
    let observation: Observation?

    init(
        id: StreamID, head: CallHead, openBytes: Int, connection: ServerConnectionHandler, opened: NIODeadline,
        eventLoop: any EventLoop
    ) {
        self.id = id
        self.head = head
        self.openBytes = openBytes
        memoryBudget = connection.configuration.memory
        self.connection = connection
        connectionID = UInt64(UInt(bitPattern: ObjectIdentifier(connection)))
        self.eventLoop = eventLoop
        deadline = head.timeout.map { opened + $0 }
        state = CallState(kind: head.kind)
        messageLimit = connection.configuration.messageBytes
        self.opened = opened
        requestDeadline = opened + connection.configuration.requestTimeout
        peer = connection.peer
        observation = connection.configuration.observer.map {
            Observation($0, path: head.path, isRouted: true, peer: connection.peer, metadata: head.metadata, began: opened)
        }
    }

    // MARK: What a method does

    /// Answers a unary call: its message, and OK.
    package func respond(_ message: FramedMessage) {
        // No closure where none is needed: `onLoop` would allocate one.
        if eventLoop.inEventLoop { answer(message) } else { onLoop { $0.answer(message) } }
    }

    /// Ends the call. Only the first end of a call counts.
    package func finish(_ status: Status) {
        if eventLoop.inEventLoop { finished(status) } else { onLoop { $0.finished(status) } }
    }

    /// For methods that only wait for requests: when the server shuts down, the requests that have come are followed by UNAVAILABLE.
    package func stopAtShutdown() {
        onLoop { call in
            guard let connection = call.connection, !call.state.isOver else { return }
            call.withStreaming { $0.stopsAtShutdown = true }
            if connection.isShuttingDown { call.serverShutsDown() }
        }
    }

    /// Sends one message of a streamed answer, and returns when the next one has room.
    /// - Throws: `CancellationError` once the call is over; a `Status` when the message finds no memory.
    package func send(_ message: FramedMessage) async throws {
        // Until the event loop has time for it.
        let reserved = message.messageBytes > ServerConnectionHandler.smallAnswerBytes ? message.messageBytes : 0
        if reserved > 0, !memory.reserve(reserved) { throw head.overloaded }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            onLoop { call in
                call.account.load()?.release(reserved)
                guard let connection = call.connection, !call.state.isOver else {
                    continuation.resume(throwing: CancellationError())
                    return
                }
                if let refusal = connection.refusal(ofAnswer: message) {
                    continuation.resume(throwing: refusal)
                    return
                }
                call.transmit(message)
                call.withStreaming { $0.lastActive = .now() }
                if connection.session.isBlocked(call.id) {
                    call.withStreaming { $0.writers.append(continuation) }
                } else {
                    continuation.resume()
                }
            }
        }
    }

    /// Runs `handler` on the event loop when the call ends before its status: reset by the client,
    /// deadline passed, connection lost. At once if that has happened.
    package func onCancel(_ handler: @escaping @Sendable () -> Void) {
        onLoop { call in
            if call.state.isOver {
                handler()
            } else if call.cancelHandler == nil {
                call.cancelHandler = handler
            } else {
                call.withStreaming { $0.cancelHandlers.append(handler) }
            }
        }
    }

    private func onLoop(_ body: @escaping @Sendable (ServerCall) -> Void) {
        if eventLoop.inEventLoop { body(self) } else { head.work.execute { body(self) } }
    }

    // MARK: What the connection tells

    /// Runs the method of a call that streams; that of a unary one waits for its request.
    func start() {
        if head.kind != .unary { startStreaming() }
    }

    private func startStreaming() {
        guard case .streaming(_, let method) = head.handler else { return }
        let (stream, source) = MessageStream.make { message, credit in self.onLoop { $0.takenFromStream(message, credit) } }
        let task = Task {
            let status = await self.outcome(of: method, stream)
            // It is cancelled when the call is over (`StreamingState.end`), perhaps together with thousands: the event loop need not hear of it.
            if Task.isCancelled { self.account.load()?.releaseAll() } else { self.finish(status) }
        }
        withStreaming { streaming in
            streaming.requests = source
            streaming.task = task
        }
    }

    private func withStreaming(_ body: (StreamingState) -> Void) {
        let streaming = streaming ?? StreamingState()
        self.streaming = streaming
        body(streaming)
    }

    var memoryStatus: Status { connection?.configuration.overloaded ?? Status(.resourceExhausted) }

    func serverShutsDown() {
        guard let streaming, streaming.stopsAtShutdown, !state.isOver else { return }
        streaming.stop(Status(.unavailable, "the server is shutting down"))
    }

    /// Coarse time, about once a second.
    func tick(now: NIODeadline) {
        if let deadline, deadline <= now {
            // An answer that the client does not read by its own deadline would stay in memory.
            if state.isOver { connection?.reset(id, .cancel) } else { deadlinePassed() }
        } else if isRequestMissing, requestDeadline <= now {
            end(Status(.deadlineExceeded, "the request did not arrive in time"), .deadlineExceeded)
        } else if let streaming, let connection, case .open = state.inbound,
            now - streaming.lastActive >= connection.configuration.idleTimeout
        {
            end(Status(.deadlineExceeded, "the stream was idle for too long"), .deadlineExceeded)
        }
    }

    /// Ends the call if the client's own deadline has passed; otherwise returns it, if there is one to watch.
    func exactDeadline(passedAt now: NIODeadline) -> NIODeadline? {
        guard head.isTimeoutExact, let deadline, !state.isOver else { return nil }
        if deadline > now { return deadline }
        deadlinePassed()
        return nil
    }

    private func deadlinePassed() {
        end(Status(.deadlineExceeded, "the deadline passed before the call was done"), .deadlineExceeded)
    }

    func writable() {
        guard let streaming else { return }
        let waiting = streaming.writers
        streaming.writers = []
        for writer in waiting { writer.resume() }
    }

    /// The stream is gone.
    func closed() {
        if state.closed() {
            let isLost = connection?.isLost ?? true
            observation?.ended(isLost ? .connectionLost : .cancelled, .cancelled)
            cancel()
        }
        release()
        connection = nil
    }

    // MARK: Acting

    /// Gives bytes back to the client's window; never more than came.
    func consume(_ bytes: Int) {
        let bytes = min(bytes, unreturned)
        guard bytes > 0 else { return }
        unreturned -= bytes
        connection?.consume(id, bytes)
    }

    private func answer(_ message: FramedMessage) {
        guard let connection, !state.isOver else { return }
        account.load()?.releaseAll()
        if let refusal = connection.refusal(ofAnswer: message) { return end(refusal, .refused) }
        if state.outbound == .idle, state.send() == .headersThenMessage, state.finish() == .trailers {
            connection.answer(id, message)
            observation?.responseBytes += message.messageBytes
            observation?.ended(.answered, .ok)
            release()
        } else {
            transmit(message)
            end(.ok, .answered)
        }
    }

    private func transmit(_ message: FramedMessage) {
        observation?.responseBytes += message.messageBytes
        switch state.send() {
        case .drop: break
        case .headersThenMessage:
            connection?.respond(id, ResponseFields.head, endStream: false)
            connection?.send(id, message.buffer)
        case .message: connection?.send(id, message.buffer)
        }
    }

    private func finished(_ status: Status) {
        account.load()?.releaseAll()
        end(status, .answered)
    }

    func end(_ status: Status, _ kind: CallEnding.Kind) {
        switch state.finish() {
        case .drop: return
        case .trailersOnly: connection?.sendStatus(id, status)
        case .trailers: connection.map { $0.finish(id, $0.trailers(status)) }
        }
        observation?.ended(kind, status.code)
        if kind == .deadlineExceeded { cancel() }
        release()
    }

    private func cancel() {
        cancelHandler?()
        guard let streaming else { return }
        streaming.task?.cancel()
        for handler in streaming.cancelHandlers { handler() }
    }

    private func letGoOfRequest() {
        if let request = unaryRequest {
            unaryRequest = nil
            connection?.letGo(request)
        }
        if let kept = deframer?.pending {
            deframer = nil
            connection?.letGo(kept)
        }
    }

    private func release() {
        cancelHandler = nil
        letGoOfRequest()
        // nghttp2 credits the connection's window by `consume` only, for streams that are gone too.
        consume(unreturned)
        if handedOver != 0 { connection?.handedOverBytes -= handedOver }
        handedOver = 0
        if held != 0 { hold(-held) }
        guard let streaming else { return }
        self.streaming = nil
        streaming.end()
    }
}
