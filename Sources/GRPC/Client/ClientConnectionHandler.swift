import HTTP2
import NIOCore

/// One connection of a client: the counterpart of `ServerConnectionHandler`. On its channel's event
/// loop only.
final class ClientConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: HTTP2Session
    private let authority: String
    private let calls = StreamTable<ClientCall>()
    private var blocked: [StreamID: [CheckedContinuation<Void, any Error>]] = [:]
    private var context: ChannelHandlerContext?
    private var flushIsScheduled = false
    private var isReading = false
    /// The server accepts no new calls on this connection (GOAWAY), or the connection has ended.
    private(set) var isDraining = false
    private let pace: KeepalivePace
    private let handshakeTimeout: TimeAmount
    private var keepalive: ClientKeepaliveStateMachine
    /// The next tick of `keepalive`.
    private var timer: Scheduled<Void>?
    /// Why the connection was given up here.
    private var closeReason: String?

    /// - Parameter handshakeTimeout: how long the server may take for its SETTINGS.
    init(authority: String, settings: HTTP2Settings, pace: KeepalivePace, handshakeTimeout: TimeAmount) throws(HTTP2Error) {
        self.authority = authority
        self.pace = pace
        self.handshakeTimeout = handshakeTimeout
        keepalive = ClientKeepaliveStateMachine(pace.current, handshakeTimeout: handshakeTimeout, now: .now())
        session = try HTTP2Session(role: .client, settings: settings)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// The connection is there.
    private func begin() {
        keepalive = ClientKeepaliveStateMachine(pace.current, handshakeTimeout: handshakeTimeout, now: .now())
        flush()
        watch()
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        keepalive.heard(now: .now())
        do {
            try session.receive(unwrapInboundIn(data))
            handleEvents()
        } catch {
            handleEvents()
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isDraining = true
        timer?.cancel()
        timer = nil
        let open = calls.values
        calls.removeAll()
        for call in open {
            if let closeReason { call.end(.failure(Status(.unavailable, closeReason))) } else { call.closed(.noError) }
        }
        for waiting in blocked.values.joined() { waiting.resume(throwing: CancellationError()) }
        blocked = [:]
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Calls

    /// Opens a call; `message` with `endStream` is a whole unary request.
    func start(_ call: ClientCall, message: FramedMessage?, endStream: Bool) {
        if call.isOver { return }
        guard let context, !isDraining else {
            return call.end(.failure(Status(.unavailable, "the connection to \(authority) is closing; try again")))
        }
        do {
            let id = try session.request(requestFields(call), endStream: message == nil && endStream)
            calls.insert(id, call)
            call.started(id, on: self, eventLoop: context.eventLoop)
            if let message { session.send(id, message.content) }
            if endStream { session.finish(id) }
            scheduleFlush()
            watch()
        } catch {
            isDraining = true
            scheduleFlush()
            call.end(.failure(Status(.unavailable, "the connection to \(authority) takes no more calls; try again")))
        }
    }

    private func requestFields(_ call: ClientCall) -> [HeaderField] {
        var fields = [
            HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", call.path),
            HeaderField(":authority", authority), HeaderField("te", "trailers"),
            HeaderField("content-type", "application/grpc"), HeaderField("user-agent", "flowstate-swift"),
        ]
        if let timeout = call.timeout { fields.append(HeaderField("grpc-timeout", Timeout.format(timeout))) }
        if let compression = call.settings.compression {
            fields.append(HeaderField("grpc-encoding", compression.rawValue))
            fields.append(HeaderField("grpc-accept-encoding", MessageCompression.accepted))
        }
        return fields + call.metadata.fields
    }

    func send(_ id: StreamID, _ message: FramedMessage, _ continuation: CheckedContinuation<Void, any Error>) {
        guard calls[id] != nil else { return continuation.resume(throwing: CancellationError()) }
        session.send(id, message.content)
        if session.isBlocked(id) { blocked[id, default: []].append(continuation) } else { continuation.resume() }
        scheduleFlush()
    }

    func finish(_ id: StreamID) {
        session.finish(id)
        scheduleFlush()
    }

    func reset(_ id: StreamID) {
        session.reset(id, .cancel)
        scheduleFlush()
    }

    func consume(_ id: StreamID, _ bytes: Int) {
        session.consume(id, bytes)
        scheduleFlush()
    }

    func close() { context?.close(promise: nil) }

    // MARK: Keepalive

    /// Makes the next tick come. The timer is not moved with each byte that arrives: it looks again when it is due.
    private func watch() {
        guard timer == nil, let context, let due = keepalive.nextTick(calls: calls.count) else { return }
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) { [weak self] in
            guard let self else { return }
            self.timer = nil
            self.perform(self.keepalive.tick(now: .now(), calls: self.calls.count))
            self.watch()
        }
    }

    /// A call ended because its deadline passed.
    func callTimedOut() { perform(keepalive.callTimedOut(now: .now())) }

    private func perform(_ action: ClientKeepaliveStateMachine.Action) {
        switch action {
        case .none: return
        case .ping:
            session.ping()
            scheduleFlush()
            // The timer may be due later than the answer.
            timer?.cancel()
            timer = nil
            watch()
        case .close(let reason):
            isDraining = true
            closeReason = reason
            context?.close(promise: nil)
        }
    }

    // MARK: Bytes

    private func handleEvents() {
        session.forEachEvent { event in
            switch event {
            case .headers(let id, let fields, let endStream): calls[id]?.received(fields, endStream: endStream)
            case .data(let id, let bytes):
                if let call = calls[id] { call.received(bytes) } else { session.consume(id, bytes.readableBytes) }
            case .trailers(let id, let fields): calls[id]?.receivedTrailers(Metadata(received: fields))
            case .headersTooLarge(let id, _):
                calls[id]?.abandon(Status(.internal, "the answer's header section is too large"))
            case .closed(let id, let code):
                calls.remove(id)?.closed(code)
                blocked.removeValue(forKey: id)?.forEach { $0.resume(throwing: CancellationError()) }
            case .writable(let id): blocked.removeValue(forKey: id)?.forEach { $0.resume() }
            case .goAway(_, let code, let reason):
                isDraining = true
                if code == .enhanceYourCalm, reason == "too_many_pings", let time = keepalive.keepalive?.time { pace.slowDown(from: time) }
            // A gRPC response does not end without trailers.
            case .endStream(let id): calls[id]?.receivedTrailers(Metadata())
            case .settings: keepalive.handshakeDone()
            case .pingAcknowledged: break
            }
        }
    }

    private func scheduleFlush() {
        guard !isReading, !flushIsScheduled, let context else { return }
        flushIsScheduled = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.flush() }
    }

    private func flush() {
        flushIsScheduled = false
        guard let context else { return }
        do {
            while try session.flush(to: context).hasMore {}
        } catch {
            context.close(promise: nil)
        }
        handleEvents()
        if !session.isAlive || (isDraining && calls.count == 0) { context.close(promise: nil) }
    }
}
