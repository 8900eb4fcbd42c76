import FlowModel
import Synchronization

/// Whose turn it is to derive a version from the latest one of a flow, of those who ask at this server: one at a time, in their order.
///
/// All at once, each would load, derive and save, one save would be the next version, and all others would begin anew: the more there are,
/// the more work is done again, and some would lose again and again. What other servers save in between is tried again as before. Safe on
/// any thread.
final class FlowTurns: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// A call that asks for its turn.
    struct Request: Sendable {
        var deadline: Instant?
        /// Begins the work; false when the call has ended: then the next one has the turn.
        let begin: @Sendable () -> Bool
        /// Called instead when it turns out that the turn would come too late.
        let refuse: @Sendable (StateError) -> Void
    }

    private struct State {
        /// Of flows of which one has its turn.
        var queues: [FlowKey: FlowQueue] = [:]
        /// Those that wait, of all flows.
        var count = 0
    }

    private let state = Mutex(State())
    private let (limit, flowLimit): (Int, Int)

    /// - Parameters:
    ///   - limit: of those that may wait, for all flows together.
    ///   - flowLimit: of those that may wait for one flow, so that they leave room for others.
    init(limit: Int, flowLimit: Int) {
        self.limit = limit
        self.flowLimit = flowLimit
    }

    /// Takes a turn now, or when those before it have `end`ed theirs.
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
            state.queues[key]?.waiting.append(request)
            state.count += 1
            return (false, nil)
        }
        if let refusal { throw refusal }
        if isNow, !request.begin() { passOn(key, now: now) }
    }

    /// The turn is over: the next one begins, on this thread. Those whose turns would come too late are refused.
    func end(_ key: FlowKey, now: Instant = .now) {
        let (late, refusal) = state.withLock { state -> ([Request], StateError?) in
            guard var queue = state.queues.removeValue(forKey: key) else { return ([], nil) }
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

    /// The turn goes to the first one whose call has not ended.
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

/// Those that wait for one flow, behind the one that has its turn, and how long turns take. Pure.
struct FlowQueue {
    typealias Instant = ContinuousClock.Instant

    var waiting: [FlowTurns.Request] = []
    private var startedAt: Instant
    /// How long the last two turns took.
    private var durations: [Duration] = []

    init(now: Instant) { startedAt = now }

    /// How long a turn takes at least: one that took long by chance is no reason to refuse others. nil: two have not ended yet.
    private var pace: Duration? { durations.count < 2 ? nil : durations.min() }

    mutating func next(now: Instant) -> FlowTurns.Request? {
        startedAt = now
        return waiting.isEmpty ? nil : waiting.removeFirst()
    }

    mutating func ended(now: Instant) { durations = durations.suffix(1) + [now - startedAt] }

    /// Whether those before it leave a request no time for its turn.
    func isLate(_ request: FlowTurns.Request, now: Instant) -> Bool {
        guard let pace, let deadline = request.deadline else { return false }
        return max(now, startedAt + pace) + pace * (waiting.count + 1) > deadline
    }

    /// Between two turns: takes out those whose turns would come too late.
    mutating func removeLate(now: Instant) -> [FlowTurns.Request] {
        guard let pace else { return [] }
        var (kept, late): ([FlowTurns.Request], [FlowTurns.Request]) = ([], [])
        for request in waiting {
            let isLate = request.deadline.map { now + pace * (kept.count + 1) > $0 } ?? false
            if isLate { late.append(request) } else { kept.append(request) }
        }
        waiting = kept
        return late
    }

    /// - Parameter queued: how many wait; absent: those that do now.
    func overloaded(limit: Int, queued: Int? = nil, now: Instant) -> StateError {
        let wait = pace.map { $0 * waiting.count } ?? now - startedAt
        let milliseconds = min(max(wait / .milliseconds(1), 100), 10_000)
        return .overloaded(
            queued: queued ?? waiting.count, limit: limit, unit: "operations of this flow", retryAfterMilliseconds: Int64(milliseconds))
    }
}
