import HTTP2
import NIOCore

/// What happens on a connection because time has passed.
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

    /// About once a second.
    func tick() {
        // The walk before may take longer where there is much to do.
        guard !isTicking else { return }
        isTicking = true
        let now = NIODeadline.now()
        session.secondPassed()
        work.walk(calls.values, then: { self.look(now: now) }) { $0.tick(now: now) }
    }

    /// At the connection as a whole.
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

    /// A server that ends waits less long for readers.
    private static let shutdownPatience = TimeAmount.seconds(2)

    /// Gives up answers that their client does not take.
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
