import HTTP2
import Logging
import NIOCore
import Resources

/// One client connection: moves bytes between the socket and the HTTP/2 session, opens calls, and ends the connection. Duties: HTTP/2 and
/// its flow control (RFC 9113), one write per turn of the event loop, handshake and idle timeouts, keepalive PINGs, GOAWAY on shutdown
/// (§6.8).
///
/// Lives on the channel's event loop and is never touched elsewhere.
final class ServerConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let session: HTTP2Session
    let configuration: ServerConfiguration
    let router: Router
    let logger: Logger
    private(set) var peer = "unknown"
    /// Request bytes held by the calls of this connection, and those of them that count in their calls' own accounts.
    var bufferedBytes = 0
    var handedOverBytes = 0
    /// Memory of its open calls as such (`ServerCall.openBytes`).
    var openBytes = 0
    /// Bytes that were written and that the socket had not taken at the last look; `writtenBytes` are all that were written.
    var waitingForSocket = 0
    /// The capacity of the largest buffer written since the socket last had taken everything: a single waiting byte may hold all of it.
    var largestWrite = 0
    private(set) var writtenBytes = 0
    let idleSessionBytes: Int
    var memory: ConnectionMemory
    let work: SlicedWork

    let calls = StreamTable<ServerCall>()
    /// The head of the last call that was opened; the next one usually has the same.
    private var lastHead: CallHead?
    var deadlineTimer = DeadlineTimer()
    private(set) var context: ChannelHandlerContext?
    private var flushIsScheduled = false
    var input = Input()
    /// While it is set, responses wait: they are written together once all of the read was handled.
    var isReading = false
    private var isClosing = false
    private(set) var isLost = false
    /// Nothing is sent before the client has sent something: one that speaks HTTP/1.1 gets an answer that it understands.
    private var hasHeard = false
    private(set) var isShuttingDown = false
    var isTicking = false
    var life: KeepaliveStateMachine
    /// The streams on which content waits, and whether the client reads it.
    var readers: [StreamID: ReaderWatch] = [:]
    private(set) var heardAt = NIODeadline.now()
    /// The stream whose content came last, as long as its request has not ended.
    private var unfinished: StreamID = 0
    private let ticker: ConnectionTicker

    /// Two frames for each stream that a client may have open: no honest client causes more.
    private static let maxQueuedFrames = 10_000

    /// - Parameters:
    ///   - memory: the connection's reservation.
    ///   - share: what it shares with the other connections of its event loop, on which this is called.
    init(
        router: Router, configuration: ServerConfiguration, memory: ConnectionMemory, share: ConnectionShare, logger: Logger
    ) throws(HTTP2Error) {
        self.router = router
        self.configuration = configuration
        self.logger = logger
        let disposal = configuration.disposal
        session = try HTTP2Session(
            role: .server, settings: configuration.http2, leastLargeBytes: Disposal.leastBytes,
            letGo: { buffer in
                let bytes = buffer.storageCapacity
                disposal.take(buffer, bytes: bytes)
            })
        self.memory = memory
        (work, ticker) = (share.work, share.ticker.value)
        idleSessionBytes = session.memoryBytes
        life = KeepaliveStateMachine(configuration, now: .now(), ageFactor: .random(in: 0.9...1.1))
    }

    // MARK: ChannelInboundHandler

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        peer = context.remoteAddress?.description ?? "unknown"
        ticker.add(self, on: context.eventLoop.assumeIsolated())
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ticker.remove(self)
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
        DeferredSignals.during { take(unwrapInboundIn(data)) }
    }

    /// - Returns: false when the connection has failed.
    func receive(_ bytes: ByteBuffer) -> Bool {
        guard !isLost else { return false }
        do {
            try session.receive(bytes)
            handleEvents()
            // Against a client that reads nothing and makes the server answer: resets of refused streams count in no other limit.
            if session.queuedFrames <= Self.maxQueuedFrames { return true }
            fail(.flooded)
        } catch {
            handleEvents()
            fail(error)
        }
        return false
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // NIO also calls this when there was nothing to read.
        guard isReading else { return flush() }
        isReading = false
        flush()
        configuration.eventLoopWatch?.ended(since: heardAt)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        // From now on nghttp2 must not read content: the streams are freed before their session (`HTTP2Session.detach`).
        isLost = true
        // In slices, since many connections may end at once, each with thousands of calls. Without calls the walk still frees the session
        // in a slice.
        work.walk(calls.values, then: { self.deadlineTimer.cancel() }) { call in
            call.closed()
            self.session.detach(call.id)
        }
        calls.removeAll()
        ticker.remove(self)
        context.fireChannelInactive()
    }

    private func announceShutdown() {
        guard context != nil else { return }
        perform(life.shutdown())
        flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or broken socket: the client is gone, and `channelInactive` ends its calls.
        logger.trace("connection failed", metadata: ["peer": "\(peer)", "error": "\(error)"])
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            isShuttingDown = true
            work.walk(calls.values, then: { self.announceShutdown() }) { $0.serverShutsDown() }
        } else if case ChannelEvent.inputClosed = event {
            if input.isEmpty { work.walk([context]) { $0.close(promise: nil) } } else { input.endWaits = true }
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
            case .headersTooLarge(let id, let beginning):
                if let call = calls[id] {
                    let limit = configuration.http2.headerListBytes
                    let size = beginning.reduce(0) { $0 + $1.size }
                    call.finish(
                        Status(
                            .resourceExhausted, "the request's trailer section is larger than the \(limit) bytes that the server accepts",
                            refusal: .tooLarge(size: size, limit: limit)))
                    return
                }
                refuse(id, RequestHead(tooLarge: beginning, limit: configuration.http2.headerListBytes))
            case .data(let id, let bytes):
                if unfinished != id { settleUnfinished() }
                unfinished = id
                if let call = calls[id] { call.received(bytes) } else { session.consume(id, bytes.readableBytes) }
            case .trailers(let id, _), .endStream(let id):
                if unfinished == id { unfinished = 0 }
                calls[id]?.receivedEnd()
            case .closed(let id, _):
                guard let call = calls.remove(id) else { break }
                openBytes -= call.openBytes
                call.closed()
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

    /// No more of the unfinished request is at hand: what is kept of it is not to hold the buffer that it was read into.
    func settleUnfinished() {
        if unfinished != 0 { calls[unfinished]?.settle() }
        unfinished = 0
    }

    private func open(_ id: StreamID, _ fields: [HeaderField]) {
        guard let context else { return }
        let previous = lastHead
        guard let head = head(id, fields) else { return }
        let bytes = Self.openBytes(head, isNew: head !== previous)
        if let refusal = refusal(ofCall: bytes) { return refuse(id, refusal, path: head.path, isRouted: true, head.metadata) }
        let call = ServerCall(
            id: id, head: head, openBytes: bytes, connection: self, opened: heardAt, eventLoop: context.eventLoop)
        calls.insert(id, call)
        openBytes += bytes
        life.called(now: heardAt)
        if head.isTimeoutExact, let deadline = call.deadline { watch(deadline) }
        call.start()
    }

    /// The call that a header section begins; nil when the request was refused.
    private func head(_ id: StreamID, _ fields: [HeaderField]) -> CallHead? {
        if let lastHead, lastHead.metadata.isBacked(by: fields) { return lastHead }
        switch RequestHead(fields) {
        case .notGRPC(let refusal): refuse(id, refusal)
        case .refused(let status, let path): refuse(id, status, path: path, isRouted: router.handler(path) != nil)
        case .call(let path, let timeout, let encoding, let metadata):
            guard let handler = router.handler(path) else {
                refuse(id, router.unimplemented(path), path: path, isRouted: false, metadata)
                return nil
            }
            let head = CallHead(
                path: path, timeout: timeout, encoding: encoding, metadata: metadata, handler: handler, configuration: configuration,
                work: work)
            lastHead = head
            return head
        }
        return nil
    }

    private func refuse(_ id: StreamID, _ head: RequestHead) {
        switch head {
        case .notGRPC(let refusal): refuse(id, refusal)
        case .refused(let status, let path): refuse(id, status, path: path, isRouted: router.handler(path) != nil)
        case .call: break
        }
    }

    private func refuse(_ id: StreamID, _ refusal: HTTPErrorResponse) {
        respond(id, refusal.fields, endStream: false)
        send(id, .buffer(ByteBuffer(string: refusal.message + "\n")))
        session.finish(id)
    }

    /// Answers a call that does not begin. The observer gets its beginning and its end at once.
    private func refuse(_ id: StreamID, _ status: Status, path: String, isRouted: Bool, _ metadata: Metadata = Metadata()) {
        if let observer = configuration.observer {
            Observation(observer, path: path, isRouted: isRouted, peer: peer, metadata: metadata, began: heardAt)
                .ended(.refused, status.code)
        }
        sendStatus(id, status)
    }

    /// Answers a call that has no response yet with a status only (Trailers-Only).
    func sendStatus(_ id: StreamID, _ status: Status) {
        respond(id, ResponseFields.head + trailers(status), endStream: true)
    }

    func trailers(_ status: Status) -> [HeaderField] {
        let isBare = status.code != .ok && status.details.isEmpty
        return (isBare ? configuration.completed(status) : status).trailers
    }

    private func fail(_ error: HTTP2Error) {
        logger.trace("HTTP/2 session failed", metadata: ["peer": "\(peer)", "error": "\(error)"])
        if error == .notHTTP2, let context {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: HTTPErrorResponse.http1)), promise: nil)
        } else {
            flush()
        }
        context?.close(mode: .all, promise: nil)
    }

    // MARK: Output

    /// One write per turn: the responses of many calls in this turn are written together.
    func scheduleFlush() {
        guard !isReading, !flushIsScheduled, let context else { return }
        flushIsScheduled = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.flush() }
    }

    func flush() {
        flushIsScheduled = false
        guard let context, hasHeard, !isLost else { return }
        do {
            let (bytes, held, hasMore) = try session.flush(to: context)
            writtenBytes &+= bytes
            largestWrite = max(largestWrite, held)
            if hasMore { scheduleRest() }
            if !context.channel.isWritable { settleMemory() }
        } catch {
            logger.debug("HTTP/2 output failed", metadata: ["peer": "\(peer)", "error": "\(error)"])
            context.close(promise: nil)
        }
        handleEvents()
        if !session.isAlive { closeWhenWritten(context) }
    }

    /// The rest of a large output is written after other connections had their turn.
    private func scheduleRest() {
        flushIsScheduled = true
        work.walk([self]) { $0.flush() }
    }

    /// Closes the connection of an ended session once its last frames were written to the socket.
    private func closeWhenWritten(_ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        isClosing = true
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }
}
