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
        if let next = calls.values.compactMap({ $0.exactDeadline(passedAt: now) }).min() { watch(next) }
    }

    /// About once a second.
    func tick() {
        let now = NIODeadline.now()
        session.secondPassed()
        for call in calls.values { call.tick(now: now) }
        resetUnread(now: now)
        if calls.count == 0 { session.trimMemory() }
        settleMemory()
        var signs = ConnectionLife.Signs()
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
        giveUp(unread[...])
    }

    /// A portion in a turn (`closeCalls`).
    private func giveUp(_ unread: ArraySlice<StreamID>) {
        for id in unread.prefix(Self.callsClosedAtOnce) { reset(id, .enhanceYourCalm) }
        let rest = unread.dropFirst(Self.callsClosedAtOnce)
        guard !rest.isEmpty, let context else { return }
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.turn) { self.giveUp(rest) }
    }

    func perform(_ action: ConnectionLife.Action) {
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
