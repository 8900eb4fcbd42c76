import NIOCore

/// Decides when a client sends a PING and when it gives up a connection (gRFC A8). Pure: time comes in as a value. The server's counterpart
/// is `KeepaliveStateMachine`, which also ends connections that are idle, old, or not read; a client leaves that to the server.
///
///     handshake ──SETTINGS──▶ open ──silent for `time`──▶ pinged ──anything arrives──▶ open
///         └── late ──▶ close                                └── silent for `timeout` ──▶ close
struct ClientKeepaliveStateMachine {
    enum Action: Equatable {
        case none, ping
        case close(reason: String)
    }

    private enum Phase {
        case handshake(until: NIODeadline)
        case open
        case pinged(until: NIODeadline)
    }

    /// Nil: no PINGs.
    let keepalive: Keepalive?
    private let time: TimeAmount
    private let timeout: TimeAmount
    private var phase: Phase
    private var lastHeard: NIODeadline

    /// - Parameter handshakeTimeout: how long the server may take for its SETTINGS: the system of a process that is stopped still accepts
    ///   connections for it.
    init(_ keepalive: Keepalive?, handshakeTimeout: TimeAmount, now: NIODeadline) {
        self.keepalive = keepalive
        time = KeepaliveBounds.clamp(keepalive?.time ?? KeepaliveBounds.longest)
        timeout = KeepaliveBounds.clamp(keepalive?.timeout ?? KeepaliveBounds.longest)
        phase = .handshake(until: now + KeepaliveBounds.clamp(handshakeTimeout))
        lastHeard = now
    }

    /// Whatever arrives shows that the server is there.
    mutating func heard(now: NIODeadline) {
        lastHeard = now
        if case .pinged = phase { phase = .open }
    }

    /// The server's SETTINGS arrived.
    mutating func handshakeDone() { if case .handshake = phase { phase = .open } }

    /// When to call `tick` next, if nothing else happens; nil: when the next call begins.
    func nextTick(calls: Int) -> NIODeadline? {
        switch phase {
        case .handshake(let until), .pinged(let until): until
        case .open: isWatching(calls) ? lastHeard + time : nil
        }
    }

    mutating func tick(now: NIODeadline, calls: Int) -> Action {
        switch phase {
        case .handshake(let until):
            return until <= now ? .close(reason: "the server did not begin to speak HTTP/2 in time; try again") : .none
        case .pinged(let until):
            return until <= now ? .close(reason: "the server does not answer any more; try again") : .none
        case .open:
            guard isWatching(calls), lastHeard + time <= now else { return .none }
            return ping(now: now)
        }
    }

    /// A call got nothing within its deadline. If nothing else came for as long as a PING may take, the server may be gone, and is asked at
    /// once.
    mutating func callTimedOut(now: NIODeadline) -> Action {
        guard keepalive != nil, case .open = phase, lastHeard + timeout <= now else { return .none }
        return ping(now: now)
    }

    private func isWatching(_ calls: Int) -> Bool { keepalive.map { calls > 0 || $0.withoutCalls } ?? false }

    private mutating func ping(now: NIODeadline) -> Action {
        phase = .pinged(until: now + timeout)
        return .ping
    }
}
