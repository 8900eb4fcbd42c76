import Synchronization

/// Tells when the changes that were submitted before have ended, whichever way: a large change goes by another connection than the small
/// changes of its flow, and waits for those first. Flows share 4,096 counters, so it may wait for another one's too, but for none that
/// is submitted later. Safe on any thread.
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

    /// A change of a flow with this shard begins; `end` is called once with the ticket.
    func begin(_ shard: UInt64) -> Ticket {
        let counter = Int(shard % UInt64(counters.count))
        return Ticket(counter: counter, turn: counters[counter].turns.withLock { $0.begin() })
    }

    func end(_ ticket: Ticket) {
        for work in counters[ticket.counter].turns.withLock({ $0.end(ticket.turn) }) { work() }
    }

    /// Runs `work` when all changes of the shard that have begun have ended: now or later, on this or another thread.
    func whenEnded(_ shard: UInt64, _ work: @escaping Work) {
        for work in counters[Int(shard % UInt64(counters.count))].turns.withLock({ $0.wait(work) }) { work() }
    }
}

/// Counts what begins in turns: who waits ends a turn, and is served when all of that turn and the one before have ended. Pure.
struct TurnCounter<Waiter> {
    /// What has begun and not ended, of the current turn and of the one before. That of the one before is 0 unless somebody waits for it.
    private var counts = (0, 0)
    private var turn = 0
    /// Who waits for the turn before.
    private var waiting: [Waiter] = []
    /// Who came since.
    private var next: [Waiter] = []

    /// - Returns: the turn it belongs to.
    mutating func begin() -> Int {
        if turn == 0 { counts.0 += 1 } else { counts.1 += 1 }
        return turn
    }

    /// - Returns: who need not wait any longer.
    mutating func end(_ turn: Int) -> [Waiter] {
        if turn == 0 { counts.0 -= 1 } else { counts.1 -= 1 }
        return turn != self.turn && isOver ? serve() : []
    }

    mutating func wait(_ waiter: Waiter) -> [Waiter] {
        next.append(waiter)
        return waiting.isEmpty ? serve() : []
    }

    /// Whether all of the turn before have ended.
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
