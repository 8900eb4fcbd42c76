import NIOCore

/// One timer for the deadlines of all calls of a connection, due at the earliest or before. Most calls end long
/// before their deadline, and cost it nothing: it finds out when it fires.
struct DeadlineTimer {
    private var scheduled: Scheduled<Void>?
    private var due = NIODeadline.distantFuture

    /// Sees to it that `fire` runs by `deadline`. It must call `fired`, and `watch` with the earliest that is left.
    mutating func watch(_ deadline: NIODeadline, on eventLoop: NIOIsolatedEventLoop, _ fire: @escaping () -> Void) {
        guard deadline < due else { return }
        cancel()
        due = deadline
        scheduled = eventLoop.scheduleTask(deadline: deadline, fire)
    }

    mutating func fired() { (scheduled, due) = (nil, .distantFuture) }

    /// NIO looks through all timers of the event loop to do this.
    mutating func cancel() {
        scheduled?.cancel()
        scheduled = nil
    }
}
