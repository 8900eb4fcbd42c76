import FlowModel
import JSON
import Resources
import Synchronization

/// The changes of all flows, for everyone on this server who watches any: one reader asks PostgreSQL every few milliseconds, as long as
/// anyone watches, and hands each window to the watches that want something of it. Safe on any thread.
///
/// It asks, rather than being told by NOTIFY: a notification would have to be sent by every save, needs a session that no pooler shares,
/// and can be lost, so that one would have to ask anyway.
final class ChangeFeed: Sendable {
    private struct State {
        var queues: [UInt64: WatchQueue] = [:]
        /// Those that want certain flows, by each of them; and those that want all of a tenant.
        var byFlow: [FlowKey: [WatchQueue]] = [:]
        var byTenant: [Name: [WatchQueue]] = [:]
        var numbers: UInt64 = 0
        /// Nil: nothing is being read.
        var position: FeedPosition?
        var isRunning = false
        var isClosed = false
        /// What the next window is to have; nil: to be found out.
        var interest: FeedInterest?
        /// A window was asked for, and not all of it has been delivered.
        var isReading = false
        /// Queues that were made, or joined, meanwhile: the window need not have what they want, or may have been delivered before.
        var late: [WatchQueue] = []
    }

    private let limits: Limits
    private let state = Mutex(State())

    init(limits: Limits) { self.limits = limits }

    /// A queue for a new watch, which `join` connects and `leave` ends.
    ///
    /// - Throws: `overloaded` when too many watch; `stopping`.
    func queue(
        tenant: String, keys: Set<FlowKey>?, filter: FlowFilter = FlowFilter(), bookmarkInterval: Duration
    ) throws(StateError) -> WatchQueue {
        try state.withLock { state throws(StateError) in
            if state.isClosed { throw .stopping }
            if state.queues.count >= limits.watches {
                throw .overloaded(queued: state.queues.count, limit: limits.watches, unit: "watches", retryAfterMilliseconds: 1_000)
            }
            state.numbers += 1
            let queue = WatchQueue(
                number: state.numbers, tenant: tenant, keys: keys, filter: filter, bookmarkInterval: bookmarkInterval, limits: limits)
            state.queues[queue.number] = queue
            if state.isReading { state.late.append(queue) }
            if let keys {
                for key in keys { state.byFlow[key, default: []].append(queue) }
            } else {
                state.byTenant[Name(tenant), default: []].append(queue)
            }
            state.interest = nil
            return queue
        }
    }

    /// Offers the queue what comes after the position that is returned.
    ///
    /// - Parameter now: a position that was read after the queue was made, where the feed begins if it does not run.
    func join(_ queue: WatchQueue, now: FeedPosition, in store: StateStore) -> FeedPosition {
        let (position, mustStart) = state.withLock { state in
            queue.rejoin()
            if state.isReading { state.late.append(queue) }
            let position = state.position ?? now
            state.position = position
            let mustStart = !state.isRunning && !state.isClosed
            if mustStart { state.isRunning = true }
            return (position, mustStart)
        }
        if mustStart { Task { await run(in: store) } }
        return position
    }

    func leave(_ queue: WatchQueue) {
        state.withLock { state in
            state.queues[queue.number] = nil
            if let keys = queue.keys {
                for key in keys {
                    state.byFlow[key]?.removeAll { $0 === queue }
                    if state.byFlow[key]?.isEmpty == true { state.byFlow[key] = nil }
                }
            } else {
                let tenant = Name(queue.tenant)
                state.byTenant[tenant]?.removeAll { $0 === queue }
                if state.byTenant[tenant]?.isEmpty == true { state.byTenant[tenant] = nil }
            }
            state.interest = nil
        }
    }

    /// Ends every watch: the server stops.
    func close() { end(.stopping) { $0.isClosed = true } }

    private func end(_ error: StateError, _ change: (inout State) -> Void) {
        let queues = state.withLock { state in
            change(&state)
            return Array(state.queues.values)
        }
        for queue in queues { queue.end(error) }
    }

    // MARK: Reading

    /// How long a read may take.
    private static let patience = Duration.seconds(10)
    /// After a read that failed.
    private static let pauseAfterFailure = Duration.milliseconds(250)
    private static let bookmarkGlance = Duration.seconds(1)

    /// Reads until no one watches.
    private func run(in store: StateStore) async {
        let reader = FeedReader(store: store)
        var lastGlance = Instant.now
        while let (position, interest) = next() {
            var pause = Duration.milliseconds(limits.watchIntervalMilliseconds)
            do throws(StateError) {
                let context = OperationContext(deadline: .now + Self.patience)
                let window = try await reader.window(from: position, upTo: nil, interest, isLive: true, for: context)
                let now = Instant.now
                deliver(window, from: position, now: now)
                if now - lastGlance >= Self.bookmarkGlance, !window.isCut {
                    lastGlance = now
                    for queue in state.withLock({ Array($0.queues.values) }) { queue.offerBookmark(window.end, now: now) }
                }
                if window.isCut { pause = .zero }
            } catch {
                if case .watchEnded = error {
                    end(.historyChanged) { $0.position = nil }
                }
                pause = Self.pauseAfterFailure
            }
            if pause > .zero { try? await Task.sleep(for: pause) }
        }
    }

    /// From where to read next; nil: it is over.
    private func next() -> (FeedPosition, FeedInterest)? {
        state.withLock { state in
            guard !state.queues.isEmpty, !state.isClosed, let position = state.position else {
                (state.isRunning, state.position, state.isReading) = (false, nil, false)
                state.late = []
                return nil
            }
            let interest = state.interest ?? Self.interest(state)
            state.interest = interest
            state.isReading = true
            state.late = []
            return (position, interest)
        }
    }

    private static func interest(_ state: State) -> FeedInterest {
        if state.byFlow.count <= FeedInterest.mostFlowIDs {
            return FeedInterest(tenants: state.byTenant.keys.map(\.text), flowIDs: state.byFlow.keys.map(\.flowID))
        }
        return FeedInterest(tenants: Set(state.byTenant.keys).union(state.byFlow.keys.map { Name($0.tenant) }).map(\.text))
    }

    /// Who wants a change is found out, and told, without the lock: event loops take it too.
    private func deliver(_ window: FeedWindow, from start: FeedPosition, now: Instant) {
        let asked = state.withLock { state in
            window.changes.map { change in
                let key = change.head.key
                return (change, ofFlow: state.byFlow[key] ?? [], ofTenant: state.byTenant[Name(key.tenant)] ?? [])
            }
        }
        var wanted: [UInt64: (WatchQueue, [FlowChange])] = [:]
        for (change, ofFlow, ofTenant) in asked {
            for queues in [ofFlow, ofTenant] {
                for queue in queues where queue.wants(change) { wanted[queue.number, default: (queue, [])].1.append(change) }
            }
        }
        for (queue, changes) in wanted.values {
            queue.offer(WatchBuffer.Item(changes: changes, start: start, end: window.end), now: now)
        }
        state.withLock { state in
            // They read the window themselves; those that join from now on stand behind it.
            for queue in state.late { queue.fallBehind(from: start) }
            (state.position, state.isReading) = (window.end, false)
            state.late = []
        }
    }
}

extension StateError {
    /// Watches end with it.
    static var stopping: StateError { .watchEnded("the server is stopping") }
}
