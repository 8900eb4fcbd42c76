import Resources

/// Identifies a database cluster and the branch of its history that a server is on.
package struct ServerIdentity: Sendable, Equatable {
    /// The cluster's system identifier, made by `initdb`; a standby has its primary's.
    package let system: String
    /// Raised by each promotion (manual, section 26.3.6).
    package let timeline: UInt32

    /// - Parameter walFile: The name of the current WAL file; it begins with the timeline in eight hexadecimal digits.
    init?(system: String, walFile: String) {
        guard !system.isEmpty, let timeline = UInt32(walFile.prefix(8), radix: 16) else { return nil }
        self.init(system: system, timeline: timeline)
    }

    package init(system: String, timeline: UInt32) {
        self.system = system
        self.timeline = timeline
    }

    func isOlder(than other: ServerIdentity) -> Bool { system == other.system && timeline < other.timeline }
}

/// The primary that this process works with. An old primary that was replaced without being stopped keeps answering; only its lower
/// timeline tells it apart. While a newer one is known, sessions with the older are closed and none is made. Pure.
struct KnownPrimary {
    /// How long an observation counts without a session. After that an older history is accepted: a backup may have been restored.
    static let memory = Duration.seconds(10)

    private(set) var identity: ServerIdentity?
    /// Its place in the list of hosts; this host is tried first.
    private(set) var host: Int?
    /// Raised whenever another primary takes over; a session belongs to the generation in which it was made.
    private(set) var generation = 0
    /// Sessions of this generation.
    private var sessions = 0
    private var seen: Instant?

    enum Admission: Equatable {
        /// The session may serve as long as the generation is this one.
        case admitted(generation: Int)
        case refused(String)
    }

    /// A session was made.
    /// - Parameter found: `nil` when the server does not report it.
    mutating func admit(_ found: ServerIdentity?, host: Int, now: Instant) -> Admission {
        if let found, let identity, found != identity {
            if found.isOlder(than: identity), isBelieved(now) {
                return .refused("the server is an old primary: it is on timeline \(found.timeline), the one in use on \(identity.timeline)")
            }
            replace()
        }
        if let found {
            identity = found
            self.host = host
            seen = now
        }
        sessions += 1
        return .admitted(generation: generation)
    }

    /// A session ended.
    mutating func closed(generation: Int) {
        if generation == self.generation { sessions -= 1 }
    }

    /// A connection of `HostWatch` found a server that takes writes. Returns whether that server takes over as primary.
    /// - Parameter isOnly: Whether there is no other host, so that any server at the address is the right one.
    mutating func observe(_ found: ServerIdentity, host: Int, isOnly: Bool, now: Instant) -> Bool {
        guard let identity, found != identity else {
            if found == identity { seen = now }
            return false
        }
        guard identity.isOlder(than: found) || isOnly && !found.isOlder(than: identity) else { return false }
        replace()
        self.identity = found
        self.host = host
        seen = now
        return true
    }

    private func isBelieved(_ now: Instant) -> Bool { sessions > 0 || seen.map { now - $0 < Self.memory } ?? false }

    private mutating func replace() {
        generation += 1
        sessions = 0
    }
}
