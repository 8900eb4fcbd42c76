import NIOCore

/// When a connection is asked for a sign of life, and when it ends. Pure: time comes in as a value.
///
///     handshake ──SETTINGS──▶ serving ──shutdown()──▶ announced ──PING answered──▶ draining
///
/// A client that says nothing is closed after the handshake timeout; one without calls after the idle
/// timeout; one with calls that answers no PING after the keepalive timeout.
struct ConnectionLife {
    enum Action: Equatable {
        case none, ping
        /// GOAWAY with the highest identifier, and a PING: once it is answered, every stream that the
        /// client opened before it knew has arrived (RFC 9113 §6.8).
        case announceShutdown
        case goAway
        case close(reason: String)
    }

    private enum Phase { case handshake, serving, announced, draining }

    private let configuration: ServerConfiguration
    private var phase = Phase.handshake
    private let opened: NIODeadline
    private var lastHeard: NIODeadline
    private var pinged: NIODeadline?

    init(_ configuration: ServerConfiguration, now: NIODeadline) {
        self.configuration = configuration
        opened = now
        lastHeard = now
    }

    mutating func heardFromPeer(now: NIODeadline) { lastHeard = now }

    /// The client's settings came.
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

    mutating func tick(now: NIODeadline, calls: Int) -> Action {
        if phase == .handshake, now - opened >= configuration.handshakeTimeout {
            return .close(reason: "no HTTP/2 preface came")
        }
        if let pinged {
            guard now - pinged >= configuration.keepaliveTimeout else { return .none }
            return .close(reason: "a PING was not answered")
        }
        if calls == 0, now - lastHeard >= configuration.idleTimeout {
            return .close(reason: "idle")
        }
        if calls > 0, now - lastHeard >= configuration.keepaliveInterval {
            pinged = now
            return .ping
        }
        return .none
    }
}
