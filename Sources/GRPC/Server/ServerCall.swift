import HTTP2
import NIOCore
import Resources
import Synchronization

/// One call on the server: its method reads the request's metadata here, and responds through it.
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

    /// The account of the memory that the call has reserved for what its method loads and computes with. Safe on any thread. Work that goes
    /// on for a cancelled call holds on to the account; when the call is answered, everything in it is released.
    package var memory: MemoryAccount {
        if let account = usedMemory { return account }
        let account = account.storeIfNil(MemoryAccount(memoryBudget))
        isMemoryUsed.store(true, ordering: .releasing)
        return account
    }

    /// The sliced work of its event loop, which takes work from other threads too.
    package var work: SlicedWork { head.work }

    /// Identifies the call's connection, as long as that is open.
    package let connectionID: UInt64

    let id: StreamID
    /// What it adds to the connection's memory while it is open.
    let openBytes: Int
    let head: CallHead
    let memoryBudget: MemoryBudget
    /// Created when first used: most calls need none.
    private let account = AtomicLazyReference<MemoryAccount>()
    /// Asked first: looking into `account` looks up its generic type at run time, which took 1 % of a small call.
    private let isMemoryUsed = Atomic(false)
    private var usedMemory: MemoryAccount? { isMemoryUsed.load(ordering: .acquiring) ? account.load() : nil }
    /// `MessageCompression.code`; 0: none.
    private let answerCode: Atomic<UInt8>
    /// Of the messages that it sends. Safe on any thread.
    var answerCompression: MessageCompression? {
        get {
            let code = answerCode.load(ordering: .relaxed)
            return code == 0 ? nil : MessageCompression(code: code)
        }
        set { answerCode.store(newValue?.code ?? 0, ordering: .relaxed) }
    }
    /// Nil once the stream is closed, at which the connection calls `closed`.
    var connection: ServerConnectionHandler?
    var state: CallState
    let messageLimit: Int
    /// For a request that did not arrive as one whole message at once.
    var deframer: MessageDeframer?
    var unaryRequest: ByteBuffer?
    /// Whether the request of a unary call was compressed. For its method, on the event loop.
    package internal(set) var wasRequestCompressed = false
    var streaming: StreamingState?
    private var cancelHandler: (@Sendable () -> Void)?
    private var cancellable: (any Cancellable)?
    var credit = ReceiveCredit()
    /// Request bytes that this call has in memory; part of the connection's `bufferedBytes`.
    var held = 0
    /// Those of `held` that were handed over to the method, and that `memory` counts.
    var handedOver = 0
    private let requestDeadline: NIODeadline
    /// Nil: there is no observer.
    let observation: Observation?

    init(
        id: StreamID, head: CallHead, openBytes: Int, connection: ServerConnectionHandler, opened: NIODeadline,
        eventLoop: any EventLoop
    ) {
        self.id = id
        self.head = head
        answerCode = Atomic(head.answerCompression?.code ?? 0)
        self.openBytes = openBytes
        memoryBudget = connection.configuration.memory
        self.connection = connection
        connectionID = UInt64(UInt(bitPattern: ObjectIdentifier(connection)))
        self.eventLoop = eventLoop
        deadline = head.timeout.map { opened + $0 }
        state = CallState(kind: head.kind)
        messageLimit = connection.configuration.messageBytes
        requestDeadline = opened + connection.configuration.requestTimeout
        peer = connection.peer
        observation = connection.configuration.observer.map {
            Observation($0, path: head.path, isRouted: true, peer: connection.peer, metadata: head.metadata, began: opened)
        }
    }

    // MARK: For methods

    /// Answers a unary call with its message and OK.
    package func respond(_ message: FramedMessage) {
        // On the event loop no closure is needed; `onLoop` would allocate one.
        if eventLoop.inEventLoop { answer(message) } else { onLoop { $0.answer(message) } }
    }

    /// Ends the call. Only the first end of a call counts.
    package func finish(_ status: Status) {
        if eventLoop.inEventLoop { finished(status) } else { onLoop { $0.finished(status) } }
    }

    /// For methods that only wait for requests: when the server shuts down, UNAVAILABLE follows the requests that have arrived.
    package func stopAtShutdown() {
        onLoop { call in
            guard let connection = call.connection, !call.state.isOver else { return }
            call.withStreaming { $0.stopsAtShutdown = true }
            if connection.isShuttingDown { call.serverShutsDown() }
        }
    }

    /// Sends one message of a streamed response, and returns when there is room for the next one.
    /// - Parameter compresses: whether it may be compressed, if the call's answers are.
    /// - Throws: `CancellationError` once the call is over; a `Status` when there is no memory for the message.
    package func send(_ message: FramedMessage, compresses: Bool = true) async throws {
        if compresses, let compression = answerCompression {
            return try await sendNow(compressedForStream(message, compression))
        }
        try await sendNow(message)
    }

    private func sendNow(_ message: FramedMessage) async throws {
        // Held until the event loop has time for the message.
        let reserved = message.messageBytes > ServerConnectionHandler.smallAnswerBytes ? message.messageBytes : 0
        if reserved > 0, !memory.reserve(reserved) { throw head.overloaded }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            onLoop { call in
                call.usedMemory?.release(reserved)
                guard let connection = call.connection, !call.state.isOver else {
                    continuation.resume(throwing: CancellationError())
                    return
                }
                if let refusal = connection.refusal(ofStreamed: message) {
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

    /// Runs `handler` on the event loop when the call ends before it has a status: reset by the client, deadline passed, connection lost.
    /// At once if it has ended already.
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

    /// The same for work that can be cancelled itself. A call's first work needs no closure.
    package func onCancel(_ work: any Cancellable) {
        guard eventLoop.inEventLoop, cancellable == nil, !state.isOver else { return onCancel { work.cancel() } }
        cancellable = work
    }

    func onLoop(_ body: @escaping @Sendable (ServerCall) -> Void) {
        if eventLoop.inEventLoop { body(self) } else { head.work.execute { body(self) } }
    }

    // MARK: For the connection

    /// Runs the method of a streaming call; that of a unary call runs once its request has arrived.
    func start() {
        if head.kind != .unary { startStreaming() }
    }

    private func startStreaming() {
        guard case .streaming(_, let method) = head.handler else { return }
        let (stream, source) = MessageStream.make { message, credit in self.onLoop { $0.takenFromStream(message, credit) } }
        let task = Task {
            let status = await self.outcome(of: method, stream)
            // The task is cancelled when the call is over (`StreamingState.end`), perhaps with thousands of others: the event loop has
            // nothing left to do.
            if Task.isCancelled { self.usedMemory?.releaseAll() } else { self.finish(status) }
        }
        withStreaming { streaming in
            streaming.requests = source
            streaming.task = task
        }
    }

    func withStreaming(_ body: (StreamingState) -> Void) {
        let streaming = streaming ?? StreamingState()
        self.streaming = streaming
        body(streaming)
    }

    var memoryStatus: Status { connection?.configuration.overloaded ?? Status(.resourceExhausted) }

    func serverShutsDown() {
        guard let streaming, streaming.stopsAtShutdown, !state.isOver else { return }
        streaming.stop(Status(.unavailable, "the server is shutting down"))
    }

    /// Called about once a second, for coarse deadlines.
    func tick(now: NIODeadline) {
        if let deadline, deadline <= now {
            switch state.tickAfterDeadline() {
            case .end: deadlinePassed()
            case .reset: connection?.reset(id, .cancel)
            case .none: break
            }
        } else if isRequestMissing, requestDeadline <= now {
            end(Status(.deadlineExceeded, "the request did not arrive in time"), .deadlineExceeded)
        } else if let streaming, let connection, case .open = state.inbound,
            now - streaming.lastActive >= connection.configuration.idleTimeout
        {
            end(Status(.deadlineExceeded, "the stream was idle for too long"), .deadlineExceeded)
        }
    }

    /// Ends the call if the deadline that its client set has passed.
    /// - Returns: the deadline if it is still to be watched.
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

    /// The stream was closed.
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

    /// Returns bytes to the client's flow-control window, never more than arrived.
    func consume(_ bytes: Int) {
        let bytes = credit.returning(bytes)
        if bytes > 0 { connection?.consume(id, bytes) }
    }

    private func answer(_ message: FramedMessage) {
        guard !state.isOver else { return }
        guard let compression = answerCompression else { return answerNow(message, nil) }
        if let message = compressed(message, compression) { answerNow(message, compression) }
    }

    /// - Parameter compression: what the message may have; it has none unless it is flagged.
    func answerNow(_ message: FramedMessage, _ compression: MessageCompression?) {
        guard let connection, !state.isOver else { return }
        if let account = usedMemory { connection.handOver(account, to: message) }
        if let refusal = connection.refusal(ofAnswer: message) { return end(refusal, .refused) }
        if streaming?.hasFields != true, state.outbound == .idle, state.send() == .headersThenMessage, state.finish() == .trailers {
            connection.answer(id, message, compression)
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
            sendHead()
            connection?.send(id, message.content)
        case .message: connection?.send(id, message.content)
        }
    }

    private func finished(_ status: Status) {
        usedMemory?.releaseAll()
        end(status, .answered)
    }

    func end(_ status: Status, _ kind: CallEnding.Kind) {
        switch state.finish() {
        case .drop: return
        case .trailersOnly where streaming?.hasFields != true: connection?.sendStatus(id, status)
        case .trailersOnly:
            sendHead()
            sendTrailers(status)
        case .trailers: sendTrailers(status)
        }
        observation?.ended(kind, status.code)
        if kind == .deadlineExceeded { cancel() }
        release()
    }

    private func cancel() {
        cancellable?.cancel()
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
        cancellable = nil
        letGoOfRequest()
        // nghttp2 returns bytes to the connection's window by `consume` only, also for closed streams.
        consume(credit.unreturned)
        if handedOver != 0 { connection?.handedOverBytes -= handedOver }
        handedOver = 0
        if held != 0 { hold(-held) }
        guard let streaming else { return }
        self.streaming = nil
        streaming.end()
    }
}

/// Work that ends when the call that it is for ends early.
package protocol Cancellable: AnyObject, Sendable {
    func cancel()
}
