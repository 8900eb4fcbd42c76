import NIOCore

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
