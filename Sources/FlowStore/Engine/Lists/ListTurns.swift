import FlowModel
import Postgres
import Resources
import Synchronization

/// Gives turns on the connections for lists, summaries and histories: callers take turns, so a caller that asks for much waits behind
/// itself, and no other waits for long. Safe on any thread; never blocks.
final class ListTurns: Sendable {
    /// Passed on by reference: hundreds may wait, and are looked through for those that get the same answer.
    final class Request: Sendable {
        let caller: UInt64
        /// Requests that share an answer take their turn together.
        let affinity: BatchAffinity
        /// Why the call no longer waits; nil while it does.
        let abandonment: @Sendable () -> StateError?
        /// Begins the work. A request that has the turn calls `end` once, when the work is done.
        let begin: @Sendable (_ hasTurn: Bool) -> Void
        let refuse: @Sendable (StateError) -> Void

        init(
            caller: UInt64, affinity: BatchAffinity, abandonment: @escaping @Sendable () -> StateError?,
            begin: @escaping @Sendable (_ hasTurn: Bool) -> Void, refuse: @escaping @Sendable (StateError) -> Void
        ) {
            self.caller = caller
            self.affinity = affinity
            self.abandonment = abandonment
            self.begin = begin
            self.refuse = refuse
        }
    }

    private struct State {
        var queue: ListQueue<Request>
        /// A thread is giving turns: work that is refused at once ends while it is begun, and must not begin the next from there.
        var isPassing = false
    }

    private let state: Mutex<State>
    private let sharers: Int

    /// - Parameters:
    ///   - turns: the number at a time: as many as there are connections.
    ///   - limits: `queuedOperations`, `listWaitMilliseconds`, `batchOperations`.
    init(turns: Int, limits: Limits) {
        let patience = Duration.milliseconds(limits.listWaitMilliseconds)
        sharers = max(limits.batchOperations, 1)
        state = Mutex(State(queue: ListQueue(turns: turns, limit: limits.queuedOperations, patience: patience)))
    }

    /// Begins the work now, or when its turn comes; or refuses it, now or then.
    func begin(_ request: Request) {
        let refusal = state.withLock { state in
            let now = Instant.now
            guard let refusal = state.queue.refusal(of: request.caller, now: now) else {
                state.queue.append(request, of: request.caller, now: now)
                return nil as StateError?
            }
            return refusal
        }
        if let refusal { request.refuse(refusal) } else { passOn() }
    }

    /// Ends a turn, when its work is done.
    func end() {
        state.withLock { $0.queue.ended() }
        passOn()
    }

    private func passOn() {
        var isMine = false
        while let turn = next(&isMine) {
            switch turn {
            case .begin(let request): begin(request, with: equals(of: request))
            case .refuse(let request, let error): request.refuse(error)
            }
        }
    }

    /// - Parameter isMine: whether this thread gives the turns.
    private func next(_ isMine: inout Bool) -> ListQueue<Request>.Turn? {
        state.withLock { state in
            if state.isPassing, !isMine { return nil }
            let turn = state.queue.next(now: .now)
            (state.isPassing, isMine) = (turn != nil, turn != nil)
            return turn
        }
    }

    private func begin(_ request: Request, with others: [Request]) {
        var isFirst = true
        for request in [request] + others {
            if let reason = request.abandonment() {
                request.refuse(reason)
            } else {
                request.begin(isFirst)
                isFirst = false
            }
        }
        if isFirst { state.withLock { $0.queue.ended() } }
    }

    /// Removes the waiting requests that get the same answer.
    private func equals(of request: Request) -> [Request] {
        guard case .identical = request.affinity else { return [] }
        // As many as a batch takes: more would be a second statement, for whose answer nothing is reserved.
        return state.withLock { $0.queue.remove(atMost: sharers - 1) { $0.affinity == request.affinity } }
    }
}

/// The requests that wait for a turn. Pure.
struct ListQueue<Element> {
    enum Turn {
        case begin(Element)
        /// The request has waited too long.
        case refuse(Element, StateError)
    }

    /// While fewer requests wait, or requests of fewer callers of which this one has no other, a request may wait however long it takes:
    /// neither a slow database nor a caller that asks for much must get everybody refused.
    static var few: Int { 8 }

    private let turns: Int
    private let limit: Int
    private let patience: Duration
    private var waiting = FairQueue<(element: Element, caller: UInt64, since: Instant)>()
    private var running = 0
    /// When the last turn began.
    private var lastTurn: Instant?

    init(turns: Int, limit: Int, patience: Duration) {
        (self.turns, self.limit, self.patience) = (turns, limit, patience)
    }

    /// Why another request may not wait; nil: it may.
    func refusal(of caller: UInt64, now: Instant) -> StateError? {
        if waiting.count >= limit { return overloaded(limit: limit, after: patience) }
        guard isCrowded(for: caller), let lastTurn, now - lastTurn > patience else { return nil }
        return overloaded(limit: Self.few, after: now - lastTurn)
    }

    mutating func append(_ element: Element, of caller: UInt64, now: Instant) { waiting.append((element, caller, now), of: caller) }

    /// What to do now; nil: nothing, until a turn ends or another request comes.
    mutating func next(now: Instant) -> Turn? {
        guard running < turns, let (element, caller, since) = waiting.popFirst() else { return nil }
        if isCrowded(for: caller), now - since > patience {
            return .refuse(element, overloaded(limit: Self.few, after: now - since))
        }
        running += 1
        lastTurn = now
        return .begin(element)
    }

    mutating func ended() { running -= 1 }

    mutating func remove(atMost limit: Int, where matches: (Element) -> Bool) -> [Element] {
        waiting.remove(atMost: limit) { matches($0.element) }.map(\.element)
    }

    /// Whether many requests wait, among them others of this caller or those of many callers.
    private func isCrowded(for caller: UInt64) -> Bool {
        waiting.count >= Self.few && (waiting.callerCount >= Self.few || waiting.isWaiting(caller))
    }

    private func overloaded(limit: Int, after wait: Duration) -> StateError {
        let milliseconds = min(max(wait / .milliseconds(1), 100), 10_000)
        return .overloaded(queued: waiting.count, limit: limit, unit: "lists", retryAfterMilliseconds: Int64(milliseconds))
    }
}
