import HTTP2
import NIOCore

/// What a connection does because time has passed: deadlines, keepalive, slow readers.
extension ServerConnectionHandler {
    func watch(_ deadline: NIODeadline) {
        guard let context else { return }
        deadlineTimer.watch(deadline, on: context.eventLoop.assumeIsolated()) { self.deadlinesDue() }
    }

    private func deadlinesDue() {
        deadlineTimer.fired()
        let now = NIODeadline.now()
        work.walk(calls.values) { call in
            if let next = call.exactDeadline(passedAt: now) { self.watch(next) }
        }
    }

    /// Called about once a second (`ConnectionTicker`).
    func tick() {
        // The last tick's walk over the calls may still be under way.
        guard !isTicking else { return }
        isTicking = true
        let now = NIODeadline.now()
        session.secondPassed()
        work.walk(calls.values, then: { self.look(now: now) }) { $0.tick(now: now) }
    }

    /// The tick of the connection as a whole, after those of its calls.
    private func look(now: NIODeadline) {
        isTicking = false
        guard context != nil else { return }
        resetUnread(now: now)
        if calls.count == 0 { session.trimMemory() }
        settleMemory()
        var signs = KeepaliveStateMachine.Signs()
        signs.calls = calls.count
        signs.openSection = session.openSection
        signs.waitingForSocket = waitingForSocket
        signs.takenBySocket = writtenBytes - waitingForSocket
        perform(life.tick(now: now, signs))
        flush()
    }

    /// How long a server that shuts down waits for readers at most.
    private static let shutdownPatience = TimeAmount.seconds(2)

    /// Resets the streams of responses that the client does not read.
    private func resetUnread(now: NIODeadline) {
        guard session.pendingBytes > 0 else {
            if !readers.isEmpty { readers = [:] }
            return
        }
        let timeout = isShuttingDown ? min(configuration.readerTimeout, Self.shutdownPatience) : configuration.readerTimeout
        var watched: [StreamID: ReaderWatch] = [:]
        var unread: [StreamID] = []
        session.forEachWaiting { id, waiting, sent in
            var reader = readers[id] ?? ReaderWatch()
            if reader.isStalled(waiting: waiting, taken: sent, now: now, timeout: timeout) { unread.append(id) }
            watched[id] = reader
        }
        readers = watched
        if !unread.isEmpty { work.walk(unread) { self.reset($0, .enhanceYourCalm) } }
    }

    func perform(_ action: KeepaliveStateMachine.Action) {
        switch action {
        case .none: break
        case .ping: session.ping()
        case .announceShutdown:
            session.announceShutdown()
            session.ping()
        case .goAway: session.goAway()
        case .close(let reason):
            logger.trace("closing connection", metadata: ["peer": "\(peer)", "reason": "\(reason)"])
            session.terminate(.noError)
            flush()
            context?.close(promise: nil)
        }
    }
}

/// One timer for the deadlines of all calls of a connection, due at the earliest deadline or before. Most calls end long before theirs and
/// leave the timer as it is: only when it fires are the deadlines looked at.
struct DeadlineTimer {
    private var scheduled: Scheduled<Void>?
    private var due = NIODeadline.distantFuture

    /// Makes `fire` run by `deadline`. `fire` must call `fired`, and `watch` with the earliest deadline that is left.
    mutating func watch(_ deadline: NIODeadline, on eventLoop: NIOIsolatedEventLoop, _ fire: @escaping () -> Void) {
        guard deadline < due else { return }
        cancel()
        due = deadline
        scheduled = eventLoop.scheduleTask(deadline: deadline, fire)
    }

    mutating func fired() { (scheduled, due) = (nil, .distantFuture) }

    /// Expensive: NIO searches all timers of the event loop.
    mutating func cancel() {
        scheduled?.cancel()
        scheduled = nil
    }
}
