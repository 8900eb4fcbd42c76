import HTTP2
import Logging
import NIOCore

/// One client connection: moves bytes between the socket and the HTTP/2 session, opens calls, and ends
/// the connection. Duties: HTTP/2 and its flow control (RFC 9113), one write a turn of the event loop,
/// handshake and idle timeouts, keepalive PINGs, GOAWAY on shutdown (§6.8).
///
/// Lives on the channel's event loop and is never touched elsewhere.
final class ServerConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let session: HTTP2Session
    let configuration: ServerConfiguration
    let router: Router
    let logger: Logger
    private(set) var peer = "unknown"
    /// Request bytes held by the calls of this connection.
    var bufferedBytes = 0

    private let calls = StreamTable<ServerCall>()
    /// Of the last call that was opened; the next one usually has the same.
    private var lastHead: CallHead?
    private var deadlineTimer = DeadlineTimer()
    private var context: ChannelHandlerContext?
    private var flushIsScheduled = false
    private var isReading = false
    private var isClosing = false
    /// Nothing is sent before the client has: one that speaks HTTP/1.1 gets an answer that it understands.
    private var hasHeard = false
    private var life: ConnectionLife
    private var heardAt = NIODeadline.now()
    private var ticker: RepeatedTask?

    /// Two frames for each of the streams that a client may have open are honest.
    private static let maxQueuedFrames = 10_000

    init(router: Router, configuration: ServerConfiguration, logger: Logger) throws(HTTP2Error) {
        self.router = router
        self.configuration = configuration
        self.logger = logger
        session = try HTTP2Session(role: .server, settings: configuration.http2)
        life = ConnectionLife(configuration, now: .now())
    }

    // MARK: ChannelInboundHandler

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        peer = context.remoteAddress?.description ?? "unknown"
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        ticker = context.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            bound.value.tick()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ticker?.cancel()
        deadlineTimer.cancel()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        peer = context.remoteAddress?.description ?? "unknown"
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        hasHeard = true
        heardAt = .now()
        life.heardFromPeer(now: heardAt)
        do {
            try session.receive(unwrapInboundIn(data))
            handleEvents()
            // A client that reads nothing and makes us answer: resets of refused streams are in no other limit.
            if session.queuedFrames > Self.maxQueuedFrames { fail(.flooded) }
        } catch {
            handleEvents()
            fail(error)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        for call in calls.values { call.closed() }
        calls.removeAll()
        ticker?.cancel()
        deadlineTimer.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or broken socket: the client has gone, which its calls are told in channelInactive.
        logger.debug("connection failed", metadata: ["peer": "\(peer)", "error": "\(error)"])
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            perform(life.shutdown())
            flush()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    // MARK: Events of the session

    private func handleEvents() {
        session.forEachEvent { event in
            switch event {
            case .headers(let id, let fields, let endStream):
                open(id, fields)
                if endStream { calls[id]?.receivedEnd() }
            case .headersTooLarge(let id):
                if let call = calls[id] {
                    call.finish(Status(.resourceExhausted, "the request's trailer section is too large"))
                    return
                }
                refuse(id, HTTPRefusal(status: "431", "the header section is larger than the server accepts"))
            case .data(let id, let bytes):
                if let call = calls[id] { call.received(bytes) } else { session.consume(id, bytes.readableBytes) }
            case .trailers(let id, _), .endStream(let id):
                calls[id]?.receivedEnd()
            case .closed(let id, _):
                calls.remove(id)?.closed()
            case .writable(let id):
                calls[id]?.writable()
            case .settings:
                life.handshakeDone()
            case .pingAcknowledged:
                perform(life.pingAcknowledged(now: .now()))
            case .goAway:
                break
            }
        }
    }

    private func open(_ id: StreamID, _ fields: [HeaderField]) {
        guard let context else { return }
        guard let head = head(id, fields) else { return }
        guard hasRoom(for: 0) else { return refuse(id, Self.slowReader) }
        let call = ServerCall(id: id, head: head, connection: self, opened: heardAt, eventLoop: context.eventLoop)
        calls.insert(id, call)
        if head.isTimeoutExact, let deadline = call.deadline { watch(deadline) }
        call.start()
    }

    /// What a header section comes to; nil when the request was refused.
    private func head(_ id: StreamID, _ fields: [HeaderField]) -> CallHead? {
        if let lastHead, lastHead.metadata.isBacked(by: fields) { return lastHead }
        switch RequestHead(fields) {
        case .notGRPC(let refusal): refuse(id, refusal)
        case .refused(let status): refuse(id, status)
        case .call(let path, let timeout, let metadata):
            guard let handler = router.handler(path) else {
                refuse(id, router.unimplemented(path))
                return nil
            }
            let head = CallHead(path: path, timeout: timeout, metadata: metadata, handler: handler, configuration: configuration)
            lastHead = head
            return head
        }
        return nil
    }

    private func refuse(_ id: StreamID, _ refusal: HTTPRefusal) {
        respond(id, refusal.fields, endStream: false)
        send(id, ByteBuffer(string: refusal.message + "\n"))
        session.finish(id)
    }

    /// Answers a call that has no answer yet with a status and nothing else.
    func refuse(_ id: StreamID, _ status: Status) {
        respond(id, ResponseFields.head + trailers(status), endStream: true)
    }

    func trailers(_ status: Status) -> [HeaderField] {
        let isBare = status.code != .ok && status.details.isEmpty
        return (isBare ? configuration.completed(status) : status).trailers
    }

    private func fail(_ error: HTTP2Error) {
        logger.debug("HTTP/2 session failed", metadata: ["peer": "\(peer)", "error": "\(error)"])
        if error == .notHTTP2, let context {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: HTTPRefusal.http1)), promise: nil)
        } else {
            flush()
        }
        context?.close(mode: .all, promise: nil)
    }

    // MARK: Output

    /// One write a turn: what many calls answer in this turn goes out together.
    func scheduleFlush() {
        guard !isReading, !flushIsScheduled, let context else { return }
        flushIsScheduled = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.flush() }
    }

    private func flush() {
        flushIsScheduled = false
        guard let context, hasHeard else { return }
        do {
            try session.flush(to: context)
        } catch {
            logger.debug("HTTP/2 output failed", metadata: ["peer": "\(peer)", "error": "\(error)"])
            context.close(promise: nil)
        }
        handleEvents()
        if !session.isAlive { closeWhenWritten(context) }
    }

    /// The session is over, but what it said may still be on its way to the socket.
    private func closeWhenWritten(_ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        isClosing = true
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    // MARK: Time

    private func watch(_ deadline: NIODeadline) {
        guard let context else { return }
        deadlineTimer.watch(deadline, on: context.eventLoop.assumeIsolated()) { self.deadlinesDue() }
    }

    private func deadlinesDue() {
        deadlineTimer.fired()
        let now = NIODeadline.now()
        if let next = calls.values.compactMap({ $0.exactDeadline(passedAt: now) }).min() { watch(next) }
    }

    private func tick() {
        let now = NIODeadline.now()
        for call in calls.values { call.tick(now: now) }
        if calls.count == 0 { session.trimMemory() }
        perform(life.tick(now: now, calls: calls.count))
        flush()
    }

    private func perform(_ action: ConnectionLife.Action) {
        switch action {
        case .none: break
        case .ping: session.ping()
        case .announceShutdown:
            session.announceShutdown()
            session.ping()
        case .goAway: session.goAway()
        case .close(let reason):
            logger.debug("closing connection", metadata: ["peer": "\(peer)", "reason": "\(reason)"])
            session.terminate(.noError)
            flush()
            context?.close(promise: nil)
        }
    }
}
