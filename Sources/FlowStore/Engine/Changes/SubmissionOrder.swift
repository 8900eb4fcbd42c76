import DequeModule
import FlowModel
import Synchronization

/// Keeps a flow's changes in the order in which they were submitted, though some take longer to prepare than others: a large state is
/// checked and packed on another thread, while a small one is ready at once.
///
/// A change that takes longer reserves a place in its flow's line; later changes of the flow wait behind it. A flow without places has no
/// line, and its changes are queued at once. Safe on any thread.
final class SubmissionOrder: Sendable {
    typealias Work = @Sendable () -> Void

    /// A change that is being prepared. It is used once (`submit`), or kept until the change has ended (`whenFirst`, `leave`); an unused
    /// place is given up with its last reference, for example when its call fails.
    final class Place: Sendable {
        fileprivate let key: FlowKey
        fileprivate let number: UInt64
        private let order: SubmissionOrder

        fileprivate init(_ key: FlowKey, _ number: UInt64, _ order: SubmissionOrder) {
            self.key = key
            self.number = number
            self.order = order
        }

        deinit {
            // On another thread: the last reference may be released while a lock is held that the changes behind it need.
            guard order.set(key, number, .givenUp) else { return }
            let (order, key) = (order, key)
            Task { order.serve(key) }
        }
    }

    private struct Entry {
        enum Readiness {
            case making
            /// Its work runs when it is first, and it keeps its place.
            case staying(Work)
            case ready(Work)
            case givenUp
        }

        let number: UInt64
        var readiness: Readiness
    }

    private struct Line {
        /// Numbers are ascending.
        private var entries: Deque<Entry> = []
        /// A thread is running the ready entries in front; it also runs those that become ready meanwhile.
        private(set) var isServed = false

        mutating func append(_ entry: Entry) { entries.append(entry) }

        /// Settles an entry that is being prepared.
        ///
        /// - Returns: nil when there is no such entry; else whether the caller must serve the line.
        mutating func settle(_ number: UInt64, _ readiness: Entry.Readiness) -> Bool? {
            guard let index = index(of: number), case .making = entries[index].readiness else { return nil }
            entries[index].readiness = readiness
            defer { isServed = true }
            return !isServed
        }

        /// Takes the first entry if it is settled; nil: it is not, or the line is empty, and the line is no longer served.
        mutating func popFirst() -> Entry? {
            guard let entry = entries.first else { return nil }
            switch entry.readiness {
            case .making:
                isServed = false
                return nil
            case .staying:
                entries[0].readiness = .making
                return entry
            case .ready, .givenUp: return entries.popFirst()
            }
        }

        var isEmpty: Bool { entries.isEmpty }
        /// Entries that have not left.
        var count: Int { entries.count }

        /// A binary search: there may be thousands.
        private func index(of number: UInt64) -> Int? {
            var (low, high) = (0, entries.count)
            while low < high {
                let middle = low + (high - low) / 2
                if entries[middle].number < number { low = middle + 1 } else { high = middle }
            }
            return low < entries.count && entries[low].number == number ? low : nil
        }
    }

    private struct State {
        var lines: [FlowKey: Line] = [:]
        var numbers: UInt64 = 0
        var waiting = 0
    }

    private let state = Mutex(State())
    private let lineCount = Atomic(0)
    private let limit: Int
    private let flowLimit: Int

    /// - Parameters:
    ///   - limit: the changes that may wait behind others, of all flows together.
    ///   - flowLimit: the changes of one flow that may wait, so that it leaves room for others.
    init(limit: Int, flowLimit: Int) {
        self.limit = limit
        self.flowLimit = flowLimit
    }

    /// No flow has a line.
    var isIdle: Bool { lineCount.load(ordering: .relaxed) == 0 }

    /// Reserves a place at the end of the flow's line.
    func place(_ key: FlowKey) -> Place {
        let number = state.withLock { state in
            state.numbers += 1
            if state.lines[key] == nil { lineCount.add(1, ordering: .relaxed) }
            state.lines[key, default: Line()].append(Entry(number: state.numbers, readiness: .making))
            return state.numbers
        }
        return Place(key, number, self)
    }

    /// Runs `work`, which queues a change of the flow, when the changes submitted before it have been queued: now or later, on this or
    /// another thread.
    ///
    /// - Throws: `overloaded`.
    func submit(_ key: FlowKey, _ place: Place?, _ work: @escaping Work) throws(StateError) {
        if let place {
            if set(place.key, place.number, .ready(work)) { serve(place.key) }
            return
        }
        enum Answer { case now, later, refused(Int, Int) }
        let answer: Answer = state.withLock { state in
            guard let count = state.lines[key]?.count else { return .now }
            if count >= flowLimit { return .refused(count, flowLimit) }
            if state.waiting >= limit { return .refused(state.waiting, limit) }
            state.waiting += 1
            state.numbers += 1
            state.lines[key]?.append(Entry(number: state.numbers, readiness: .ready(work)))
            return .later
        }
        switch answer {
        case .now: work()
        case .later: break
        case .refused(let queued, let limit):
            throw .overloaded(queued: queued, limit: limit, unit: "operations", retryAfterMilliseconds: 100)
        }
    }

    /// Runs `work` when the changes submitted before it have been queued: now or later, on this or another thread. Changes that are
    /// submitted for the flow from now on wait until the place is left.
    func whenFirst(_ place: Place, _ work: @escaping Work) {
        if set(place.key, place.number, .staying(work)) { serve(place.key) }
    }

    func leave(_ place: Place) {
        if set(place.key, place.number, .givenUp) { serve(place.key) }
    }

    /// - Returns: whether the caller must serve the line.
    private func set(_ key: FlowKey, _ number: UInt64, _ readiness: Entry.Readiness) -> Bool {
        state.withLock { state in
            guard let mustServe = state.lines[key]?.settle(number, readiness) else { return false }
            // It counts as waiting, as others do, until its turn comes.
            state.waiting += 1
            return mustServe
        }
    }

    private func serve(_ key: FlowKey) {
        while let work = next(key) { work() }
    }

    /// The ready work at the front of the line; nil: there is none, and the line is no longer served.
    private func next(_ key: FlowKey) -> Work? {
        state.withLock { state in
            while let first = state.lines[key]?.popFirst() {
                state.waiting -= 1
                switch first.readiness {
                case .ready(let work), .staying(let work): return work
                case .making, .givenUp: continue
                }
            }
            if state.lines[key]?.isEmpty ?? false {
                state.lines[key] = nil
                lineCount.subtract(1, ordering: .relaxed)
            }
            return nil
        }
    }
}

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
