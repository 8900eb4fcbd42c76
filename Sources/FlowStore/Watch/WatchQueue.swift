import FlowModel
import Resources
import Synchronization

/// What the feed has for one watch (`WatchBuffer`), and the watch that waits for it. Safe on any thread; one reader.
final class WatchQueue: Sendable {
    let number: UInt64
    let tenant: String
    /// The flows that it wants; nil: all of the tenant.
    let keys: Set<FlowKey>?
    let filter: FlowFilter
    let bookmarkInterval: Duration

    private struct State {
        var buffer: WatchBuffer
        var waiting: CheckedContinuation<WatchBuffer.Next?, Never>?
        /// When the last item was offered.
        var lastOffer = Instant.now

        /// Hands over what there is to the watch that waits for it.
        mutating func handOver() -> (CheckedContinuation<WatchBuffer.Next?, Never>, WatchBuffer.Next)? {
            guard waiting != nil, let next = buffer.take(), let continuation = waiting.take() else { return nil }
            return (continuation, next)
        }
    }

    private let state: Mutex<State>

    init(
        number: UInt64, tenant: String, keys: Set<FlowKey>?, filter: FlowFilter = FlowFilter(), bookmarkInterval: Duration, limits: Limits
    ) {
        self.number = number
        self.tenant = tenant
        self.keys = keys
        self.filter = filter
        self.bookmarkInterval = bookmarkInterval
        state = Mutex(State(buffer: WatchBuffer(limits: limits)))
    }

    /// Whether a change is for this watch.
    func wants(_ change: FlowChange) -> Bool {
        change.head.key.tenant.hasSameBytes(as: tenant) && (keys?.contains(change.head.key) ?? true) && filter.matches(change)
    }

    func offer(_ item: WatchBuffer.Item, now: Instant) {
        let ready = state.withLock { state in
            state.lastOffer = now
            return state.buffer.offer(item) ? state.handOver() : nil
        }
        if let (continuation, next) = ready { continuation.resume(returning: next) }
    }

    /// Offers a bookmark if nothing waits and, unless it is due anyway, nothing was offered for a while.
    func offerBookmark(_ position: FeedPosition, now: Instant, isDue: Bool = false) {
        let isOffered = state.withLock { $0.buffer.isEmpty && (isDue || now - $0.lastOffer >= bookmarkInterval) }
        if isOffered { offer(WatchBuffer.Item(changes: [], start: position, end: position), now: now) }
    }

    func end(_ error: StateError) {
        let ready = state.withLock { state in
            state.buffer.end(error)
            return state.handOver()
        }
        if let (continuation, next) = ready { continuation.resume(returning: next) }
    }

    /// Drops what waits: changes after this position are read again.
    func fallBehind(from position: FeedPosition) {
        let ready = state.withLock { state in
            state.buffer.fallBehind(from: position)
            return state.handOver()
        }
        if let (continuation, next) = ready { continuation.resume(returning: next) }
    }

    func rejoin() { state.withLock { $0.buffer.rejoin() } }

    /// What comes next, when there is something.
    /// - Throws: `cancelled` with the task.
    func next() async throws(StateError) -> WatchBuffer.Next {
        let next = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state -> WatchBuffer.Next?? in
                    if Task.isCancelled { return .some(nil) }
                    if let next = state.buffer.take() { return next }
                    state.waiting = continuation
                    return .none
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            state.withLock { $0.waiting.take() }?.resume(returning: nil)
        }
        guard let next else { throw .cancelled }
        return next
    }
}
