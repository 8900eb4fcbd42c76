import NIOCore

/// Whether nothing of a call has arrived for too long. Pure.
struct SilenceWatch {
    private let limit: TimeAmount
    private var since: NIODeadline

    init(_ limit: TimeAmount, now: NIODeadline) {
        self.limit = KeepaliveBounds.clamp(limit)
        since = now
    }

    /// When to look next.
    var due: NIODeadline { since + limit }

    mutating func heard(now: NIODeadline) { since = now }

    /// - Parameter isUnread: the caller has not taken all that arrived, which may keep the server from sending more.
    mutating func isOver(now: NIODeadline, isUnread: Bool) -> Bool {
        if isUnread { since = now }
        return due <= now
    }
}
