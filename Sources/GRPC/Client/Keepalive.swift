import NIOConcurrencyHelpers
import NIOCore

/// How a client notices a server that is gone without having closed its connections: a machine that lost its power or its network, a process
/// that is stopped (gRFC A8).
///
/// A connection on which calls are open and nothing arrived for `time` is sent a PING. When nothing arrives within `timeout` after that, it is
/// closed: its calls fail with UNAVAILABLE, and the next call opens another connection.
public struct Keepalive: Sendable, Equatable {
    /// How long a connection may be silent before it is sent a PING. A server that polices PINGs ends connections that send them more often
    /// than it allows, and the client then doubles this time. A Flowstate server allows one a second (`pings-per-minute`); stock gRPC servers
    /// allow one in five minutes unless they are told otherwise.
    public var time: TimeAmount
    /// How long the server may take to answer.
    public var timeout: TimeAmount
    /// Whether a connection without calls is looked after as well. Stock servers count such PINGs against a client. Without this, the first
    /// call after a pause sends the PING that is due.
    public var withoutCalls: Bool

    /// The defaults are times that stock gRPC servers allow.
    public init(time: TimeAmount = .minutes(5), timeout: TimeAmount = .seconds(20), withoutCalls: Bool = false) {
        (self.time, self.timeout, self.withoutCalls) = (time, timeout, withoutCalls)
    }
}

/// What the connections of one client share: how often they send PINGs, which a server that is asked too often makes rarer. Thread-safe.
final class KeepalivePace: Sendable {
    private let keepalive: NIOLockedValueBox<Keepalive?>

    init(_ keepalive: Keepalive?) { self.keepalive = NIOLockedValueBox(keepalive) }

    /// Of connections that are opened now.
    var current: Keepalive? { keepalive.withLockedValue { $0 } }

    /// A server said `too_many_pings` to a connection of this pace; once for all connections that have it.
    func slowDown(from time: TimeAmount) {
        keepalive.withLockedValue {
            if $0?.time == time { $0?.time = KeepaliveBounds.clamp(time) * 2 }
        }
    }
}

/// The times that make sense.
enum KeepaliveBounds {
    /// Below, PINGs would follow each other without a pause.
    static let shortest = TimeAmount.milliseconds(10)
    static let longest = TimeAmount.hours(24)

    static func clamp(_ time: TimeAmount) -> TimeAmount { max(shortest, min(time, longest)) }
}
