import DequeModule
import FlowModel
import Resources
import Synchronization

/// Gives turns to the requests at this server that derive a version from the latest one of a flow: one at a time, in their order.
///
/// All at once, each would load, derive and save, one save would be the next version, and all others would start over: the more there are,
/// the more work is repeated, and some would lose again and again. Conflicts with saves of other servers are retried as before. Safe on any
/// thread.
final class FlowTurns: Sendable {
    /// A call that waits for its turn.
    struct Request: Sendable {
        var deadline: Instant?
        fileprivate(set) var since = Instant.now
        /// Begins the work; false when the call has ended: then the next request gets the turn.
        let begin: @Sendable () -> Bool
        /// Called instead when the turn would come too late.
        let refuse: @Sendable (StateError) -> Void

        init(deadline: Instant?, begin: @escaping @Sendable () -> Bool, refuse: @escaping @Sendable (StateError) -> Void) {
            self.deadline = deadline
            self.begin = begin
            self.refuse = refuse
        }
    }

    private struct State {
        /// Flows for which a request has its turn.
        var queues: [FlowKey: FlowQueue] = [:]
        /// Waiting requests, of all flows.
        var count = 0
    }

    private let state = Mutex(State())
    private let (limit, flowLimit): (Int, Int)

    /// - Parameters:
    ///   - limit: requests that may wait, for all flows together.
    ///   - flowLimit: requests that may wait for one flow, so that they leave room for others.
    init(limit: Int, flowLimit: Int) {
        self.limit = limit
        self.flowLimit = flowLimit
    }

    /// Gives a request its turn now, or when those before it have `end`ed theirs.
    ///
    /// - Throws: `overloaded` when too many wait, or when those that wait take longer than there is time.
    func begin(_ key: FlowKey, _ request: Request, now: Instant = .now) throws(StateError) {
        let (isNow, refusal) = state.withLock { state -> (Bool, StateError?) in
            guard let queue = state.queues[key] else {
                state.queues[key] = FlowQueue(now: now)
                return (true, nil)
            }
            if queue.waiting.count >= flowLimit { return (false, queue.overloaded(limit: flowLimit, now: now)) }
            if state.count >= limit {
                return (false, .overloaded(queued: state.count, limit: limit, unit: "operations", retryAfterMilliseconds: 100))
            }
            if queue.isLate(request, now: now) { return (false, queue.overloaded(limit: queue.waiting.count, now: now)) }
            var request = request
            request.since = now
            state.queues[key]?.waiting.append(request)
            state.count += 1
            return (false, nil)
        }
        if let refusal { throw refusal }
        if isNow, !request.begin() { passOn(key, now: now) }
    }

    /// Ends a turn: the next request begins, on this thread. Requests whose turns would come too late are refused.
    ///
    /// - Parameter failure: Refuses those that have waited for most of the turn: the flow cannot be changed at the time.
    func end(_ key: FlowKey, failure: StateError? = nil, now: Instant = .now) {
        let (late, refusal) = state.withLock { state -> ([Request], StateError?) in
            guard var queue = state.queues.removeValue(forKey: key) else { return ([], nil) }
            if let failure {
                let refused = queue.removeThoseOfTurn(now: now)
                state.count -= refused.count
                state.queues[key] = queue
                return (refused, failure)
            }
            queue.ended(now: now)
            let late = queue.removeLate(now: now)
            state.count -= late.count
            let refusal =
                late.isEmpty ? nil : queue.overloaded(limit: queue.waiting.count, queued: queue.waiting.count + late.count, now: now)
            state.queues[key] = queue
            return (late, refusal)
        }
        if let refusal { for request in late { request.refuse(refusal) } }
        passOn(key, now: now)
    }

    /// Passes the turn to the first request whose call has not ended.
    private func passOn(_ key: FlowKey, now: Instant) {
        while let next = next(key, now: now), !next.begin() {}
    }

    private func next(_ key: FlowKey, now: Instant) -> Request? {
        state.withLock { state in
            guard let next = state.queues[key]?.next(now: now) else {
                state.queues[key] = nil
                return nil
            }
            state.count -= 1
            return next
        }
    }
}

/// The requests that wait for one flow, behind the one that has its turn, and how long turns take. Pure.
struct FlowQueue {
    var waiting: Deque<FlowTurns.Request> = []
    private var startedAt: Instant
    /// How long the last two turns took.
    private var durations: [Duration] = []

    init(now: Instant) { startedAt = now }

    /// How long a turn takes at least: a single slow turn must not get others refused. nil: two have not ended yet.
    private var pace: Duration? { durations.count < 2 ? nil : durations.min() }

    mutating func next(now: Instant) -> FlowTurns.Request? {
        startedAt = now
        return waiting.popFirst()
    }

    mutating func ended(now: Instant) { durations = durations.suffix(1) + [now - startedAt] }

    /// Whether the requests before it leave a request no time for its turn.
    func isLate(_ request: FlowTurns.Request, now: Instant) -> Bool {
        guard let pace, let deadline = request.deadline else { return false }
        return max(now, startedAt + pace) + pace * (waiting.count + 1) > deadline
    }

    /// Removes the requests that have waited for at least half of the turn.
    mutating func removeThoseOfTurn(now: Instant) -> [FlowTurns.Request] {
        let half = startedAt + (now - startedAt) / 2
        let removed = waiting.filter { $0.since <= half }
        waiting.removeAll { $0.since <= half }
        return Array(removed)
    }

    /// Between two turns: removes the requests whose turns would come too late.
    mutating func removeLate(now: Instant) -> [FlowTurns.Request] {
        guard let pace else { return [] }
        var (kept, late): (Deque<FlowTurns.Request>, [FlowTurns.Request]) = ([], [])
        for request in waiting {
            let isLate = request.deadline.map { now + pace * (kept.count + 1) > $0 } ?? false
            if isLate { late.append(request) } else { kept.append(request) }
        }
        waiting = kept
        return late
    }

    /// - Parameter queued: how many requests wait; nil: those that wait now.
    func overloaded(limit: Int, queued: Int? = nil, now: Instant) -> StateError {
        let wait = pace.map { $0 * waiting.count } ?? now - startedAt
        let milliseconds = min(max(wait / .milliseconds(1), 100), 10_000)
        return .overloaded(
            queued: queued ?? waiting.count, limit: limit, unit: "operations of this flow", retryAfterMilliseconds: Int64(milliseconds))
    }
}
