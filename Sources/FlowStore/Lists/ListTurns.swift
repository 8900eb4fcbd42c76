import FlowModel
import Postgres
import Resources
import Synchronization

/// Whose turn it is to be answered by the connections for lists, summaries and histories: callers take turns, so whoever asks for much waits
/// behind itself, and nobody waits for long. Safe on any thread; never blocks.
final class ListTurns: Sendable {
    struct Request: Sendable {
        let caller: UInt64
        /// Those that share an answer take their turn together.
        let company: Company
        /// Why the call no longer waits; nil while it does.
        let abandonment: @Sendable () -> StateError?
        /// Begins the work. One that has the turn calls `end` once, when the work is done.
        let begin: @Sendable (_ hasTurn: Bool) -> Void
        let refuse: @Sendable (StateError) -> Void
    }

    private struct State {
        var queue: ListQueue<Request>
        /// A thread gives turns: work that is refused at once ends while it is begun, and must not begin the next from there.
        var isPassing = false
    }

    private let state: Mutex<State>

    /// - Parameters:
    ///   - turns: at a time: as many as there are connections.
    ///   - limits: `queuedOperations`, `listWaitMilliseconds`.
    init(turns: Int, limits: Limits) {
        let patience = Duration.milliseconds(limits.listWaitMilliseconds)
        state = Mutex(State(queue: ListQueue(turns: turns, limit: limits.queuedOperations, patience: patience)))
    }

    /// Begins the work now, or when its turn comes; or refuses it, now or then.
    func begin(_ request: Request) {
        let refusal = state.withLock { state in
            let now = ContinuousClock.now
            guard let refusal = state.queue.refusal(of: request.caller, now: now) else {
                state.queue.append(request, of: request.caller, now: now)
                return nil as StateError?
            }
            return refusal
        }
        if let refusal { request.refuse(refusal) } else { passOn() }
    }

    /// The work is done.
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

    /// - Parameter isMine: this thread gives the turns.
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

    /// Takes those along that get the same answer.
    private func equals(of request: Request) -> [Request] {
        guard case .equals = request.company else { return [] }
        return state.withLock { $0.queue.removeAll { $0.company == request.company } }
    }
}

/// What waits for a turn. Pure.
struct ListQueue<Element> {
    typealias Instant = ContinuousClock.Instant

    enum Turn {
        case begin(Element)
        /// It has waited for too long.
        case refuse(Element, StateError)
    }

    /// So few may wait however long it takes, and one of so few callers: a slow database is no reason to answer nobody, nor is a caller who
    /// asks for much.
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

    /// Why another one cannot wait; nil: it can.
    func refusal(of caller: UInt64, now: Instant) -> StateError? {
        if waiting.count >= limit { return overloaded(limit: limit, after: patience) }
        guard isCrowded(for: caller), let lastTurn, now - lastTurn > patience else { return nil }
        return overloaded(limit: Self.few, after: now - lastTurn)
    }

    mutating func append(_ element: Element, of caller: UInt64, now: Instant) { waiting.append((element, caller, now), of: caller) }

    /// What is to be done now; nil: nothing, until one has ended or another one comes.
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

    mutating func removeAll(where matches: (Element) -> Bool) -> [Element] { waiting.removeAll { matches($0.element) }.map(\.element) }

    /// Whether many wait, and others of this caller or of many callers.
    private func isCrowded(for caller: UInt64) -> Bool {
        waiting.count >= Self.few && (waiting.callerCount >= Self.few || waiting.isWaiting(caller))
    }

    private func overloaded(limit: Int, after wait: Duration) -> StateError {
        let milliseconds = min(max(wait / .milliseconds(1), 100), 10_000)
        return .overloaded(queued: waiting.count, limit: limit, unit: "lists", retryAfterMilliseconds: Int64(milliseconds))
    }
}
