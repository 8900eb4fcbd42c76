import Synchronization

/// Tracks small changes until they have ended, whichever way: a large change runs on another connection than the small changes of its flow,
/// and first waits for those submitted before it. Flows share 4,096 counters, so it may also wait for changes of other flows, but never for
/// changes that are submitted later. Safe on any thread.
final class ChangesUnderWay: Sendable {
    typealias Work = @Sendable () -> Void

    struct Ticket: Sendable {
        fileprivate let counter: Int
        fileprivate let turn: Int
    }

    private final class Counter: Sendable {
        let turns = Mutex(TurnCounter<Work>())
    }

    private let counters = (0..<4_096).map { _ in Counter() }

    /// Begins a change of a flow with this shard; the caller calls `end` once with the ticket.
    func begin(_ shard: UInt64) -> Ticket {
        let counter = Int(shard % UInt64(counters.count))
        return Ticket(counter: counter, turn: counters[counter].turns.withLock { $0.begin() })
    }

    func end(_ ticket: Ticket) {
        for work in counters[ticket.counter].turns.withLock({ $0.end(ticket.turn) }) { work() }
    }

    /// Runs `work` when all changes of the shard that have begun so far have ended: now or later, on this or another thread.
    func whenEnded(_ shard: UInt64, _ work: @escaping Work) {
        for work in counters[Int(shard % UInt64(counters.count))].turns.withLock({ $0.wait(work) }) { work() }
    }
}

/// Counts operations in turns: a waiter ends the current turn, and is served when all operations of that turn and of the one before have
/// ended. Pure.
struct TurnCounter<Waiter> {
    /// Operations in progress of the current turn and of the previous one. The previous one has none unless a waiter waits for it.
    private var counts = (0, 0)
    private var turn = 0
    /// Waiters for the previous turn.
    private var waiting: [Waiter] = []
    /// Waiters that came since.
    private var next: [Waiter] = []

    /// - Returns: the turn to which the operation belongs.
    mutating func begin() -> Int {
        if turn == 0 { counts.0 += 1 } else { counts.1 += 1 }
        return turn
    }

    /// - Returns: the waiters to serve.
    mutating func end(_ turn: Int) -> [Waiter] {
        if turn == 0 { counts.0 -= 1 } else { counts.1 -= 1 }
        return turn != self.turn && isOver ? serve() : []
    }

    mutating func wait(_ waiter: Waiter) -> [Waiter] {
        next.append(waiter)
        return waiting.isEmpty ? serve() : []
    }

    /// Whether all operations of the previous turn have ended.
    private var isOver: Bool { (turn == 0 ? counts.1 : counts.0) == 0 }

    private mutating func serve() -> [Waiter] {
        var served = waiting
        waiting = []
        while !next.isEmpty {
            swap(&waiting, &next)
            turn = 1 - turn
            guard isOver else { break }
            served += waiting
            waiting = []
        }
        return served
    }
}
