import NIOCore

/// Decides when to ping a connection and when to end it. Pure: time comes in as a value.
///
///     handshake ──SETTINGS──▶ serving ──shutdown(), old──▶ announced ──PING answered──▶ draining
///
/// A connection is closed after the handshake timeout when its client sends no preface, or does not end a header section that it began;
/// after the idle timeout when it has no calls, whatever else the client sends; after the keepalive timeout when it has calls and a PING is
/// not acknowledged; after the reader timeout when its client reads nothing.
struct KeepaliveStateMachine {
    enum Action: Equatable {
        case none, ping
        /// GOAWAY with the highest stream identifier, and a PING: once that is acknowledged, every stream that the client opened before it
        /// received the GOAWAY has arrived (RFC 9113 §6.8).
        case announceShutdown
        case goAway
        case close(reason: String)
    }

    /// What a connection reports at a tick.
    struct Signs {
        /// Calls that are open.
        var calls = 0
        /// The header section being received (`HTTP2Session.openSection`).
        var openSection: Int?
        /// Bytes that wait for the socket, and bytes that it has taken so far.
        var waitingForSocket = 0
        var takenBySocket = 0
    }

    private enum Phase { case handshake, serving, announced, draining }

    private let configuration: ServerConfiguration
    private var phase = Phase.handshake
    private let opened: NIODeadline
    private let oldAt: NIODeadline?
    private var endAt: NIODeadline?
    private var lastHeard: NIODeadline
    /// The last time when there was a call.
    private var lastCall: NIODeadline
    private var pinged: NIODeadline?
    private var section: (number: Int, since: NIODeadline)?
    private var reader = ReaderWatch()

    /// - Parameter ageFactor: spreads the ends of connections that were opened together.
    init(_ configuration: ServerConfiguration, now: NIODeadline, ageFactor: Double = 1) {
        self.configuration = configuration
        opened = now
        lastHeard = now
        lastCall = now
        oldAt = configuration.connectionAge.map { now + .nanoseconds(Int64(Double($0.nanoseconds) * ageFactor)) }
    }

    mutating func heardFromPeer(now: NIODeadline) { lastHeard = now }

    mutating func called(now: NIODeadline) { lastCall = now }

    /// The client's SETTINGS frame arrived.
    mutating func handshakeDone() { if phase == .handshake { phase = .serving } }

    mutating func shutdown() -> Action {
        switch phase {
        case .handshake:
            phase = .draining
            return .close(reason: "shutting down before the client said anything")
        case .serving:
            phase = .announced
            return .announceShutdown
        case .announced, .draining: return .none
        }
    }

    mutating func pingAcknowledged(now: NIODeadline) -> Action {
        pinged = nil
        lastHeard = now
        guard phase == .announced else { return .none }
        phase = .draining
        return .goAway
    }

    mutating func tick(now: NIODeadline, _ signs: Signs) -> Action {
        if signs.calls > 0 { lastCall = now }
        if let reason = endReason(now: now, signs) { return .close(reason: reason) }
        if phase == .serving, let oldAt, oldAt <= now {
            endAt = now + configuration.connectionAgeGrace
            return shutdown()
        }
        if pinged == nil, signs.calls > 0, now - lastHeard >= configuration.keepaliveInterval {
            pinged = now
            return .ping
        }
        return .none
    }

    private mutating func endReason(now: NIODeadline, _ signs: Signs) -> String? {
        if phase == .handshake, now - opened >= configuration.handshakeTimeout { return "no HTTP/2 preface came" }
        if let pinged, now - pinged >= configuration.keepaliveTimeout { return "a PING was not answered" }
        if let endAt, endAt <= now { return "its calls took longer than an old connection may" }
        if signs.calls == 0, now - lastCall >= configuration.idleTimeout { return "idle" }
        if isSectionLate(now: now, signs.openSection) { return "a header section did not end in time" }
        let isStalled = reader.isStalled(
            waiting: signs.waitingForSocket, taken: signs.takenBySocket, now: now, timeout: configuration.readerTimeout)
        return isStalled ? "its client does not read" : nil
    }

    private mutating func isSectionLate(now: NIODeadline, _ number: Int?) -> Bool {
        guard let number else {
            section = nil
            return false
        }
        if let section, section.number == number { return now - section.since >= configuration.handshakeTimeout }
        section = (number, now)
        return false
    }
}
