import FlowModel
import Synchronization

/// Keeps a flow's changes in the order in which they were submitted where some take longer to make ready than others: a large state is
/// checked and packed on another thread, while a small one is ready at once.
///
/// A change that takes longer takes a place in its flow's line; what is submitted for the flow meanwhile waits behind it. A flow without
/// places has no line, and its changes go straight on. Safe on any thread.
final class SubmissionOrder: Sendable {
    typealias Work = @Sendable () -> Void

    /// A change that is being made ready. It is used once (`submit`), or kept until it is done (`whenFirst`, `leave`); one that goes unused is
    /// given up with its last reference, as when its call fails.
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
            // On another thread: the last reference may go while a lock is held that whoever waits behind needs.
            guard order.set(key, number, .givenUp) else { return }
            let (order, key) = (order, key)
            Task { order.serve(key) }
        }
    }

    private struct Entry {
        enum Standing {
            case making
            /// It is told when it is first, and stays.
            case staying(Work)
            case ready(Work)
            case givenUp
        }

        let number: UInt64
        var standing: Standing
    }

    /// There may be thousands of entries, so all but finding one takes constant time, and nothing copies them.
    private struct Line {
        private var entries: [Entry] = []
        /// Entries before it have left.
        private var front = 0
        /// A thread runs what is ready in front; what others make ready is left to it.
        private(set) var isServed = false

        mutating func append(_ entry: Entry) { entries.append(entry) }

        /// Settles an entry that is being made ready.
        /// - Returns: nil: there is none; else whether the caller must serve the line.
        mutating func settle(_ number: UInt64, _ standing: Entry.Standing) -> Bool? {
            guard let index = index(of: number), case .making = entries[index].standing else { return nil }
            entries[index].standing = standing
            defer { isServed = true }
            return !isServed
        }

        /// Takes the first entry if it is settled; nil: it is not, or there is none, and the line is no longer served.
        mutating func popFirst() -> Entry? {
            guard front < entries.count else { return nil }
            if case .making = entries[front].standing {
                isServed = false
                return nil
            }
            let entry = entries[front]
            if case .staying = entry.standing {
                entries[front].standing = .making
                return entry
            }
            entries[front].standing = .givenUp
            front += 1
            if front >= 1_024, 2 * front >= entries.count {
                entries.removeFirst(front)
                front = 0
            }
            return entry
        }

        var isEmpty: Bool { front == entries.count }
        /// Entries that have not left.
        var count: Int { entries.count - front }

        /// Their numbers grow.
        private func index(of number: UInt64) -> Int? {
            var (low, high) = (front, entries.count)
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
    ///   - limit: of changes that may wait behind others, of all flows together.
    ///   - flowLimit: of those of one flow, so that it leaves room for others.
    init(limit: Int, flowLimit: Int) {
        self.limit = limit
        self.flowLimit = flowLimit
    }

    /// Nobody has a place.
    var isIdle: Bool { lineCount.load(ordering: .relaxed) == 0 }

    /// A place at the end of the flow's line.
    func place(_ key: FlowKey) -> Place {
        let number = state.withLock { state in
            state.numbers += 1
            if state.lines[key] == nil { lineCount.add(1, ordering: .relaxed) }
            state.lines[key, default: Line()].append(Entry(number: state.numbers, standing: .making))
            return state.numbers
        }
        return Place(key, number, self)
    }

    /// Runs `work`, which queues a change of the flow, when what was submitted before it has been queued: now or later, on this or another
    /// thread.
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
            state.lines[key]?.append(Entry(number: state.numbers, standing: .ready(work)))
            return .later
        }
        switch answer {
        case .now: work()
        case .later: break
        case .refused(let queued, let limit):
            throw .overloaded(queued: queued, limit: limit, unit: "operations", retryAfterMilliseconds: 100)
        }
    }

    /// Runs `work` when what was submitted before it has been queued: now or later, on this or another thread. What is submitted for the flow
    /// from now on waits until the place is left.
    func whenFirst(_ place: Place, _ work: @escaping Work) {
        if set(place.key, place.number, .staying(work)) { serve(place.key) }
    }

    func leave(_ place: Place) {
        if set(place.key, place.number, .givenUp) { serve(place.key) }
    }

    /// - Returns: whether the line must be served by the caller.
    private func set(_ key: FlowKey, _ number: UInt64, _ standing: Entry.Standing) -> Bool {
        state.withLock { state in
            guard let mustServe = state.lines[key]?.settle(number, standing) else { return false }
            // It waits as others do, until its turn comes.
            state.waiting += 1
            return mustServe
        }
    }

    private func serve(_ key: FlowKey) {
        while let work = next(key) { work() }
    }

    /// What is ready in front of the line; nil: nothing, and it is no longer served.
    private func next(_ key: FlowKey) -> Work? {
        state.withLock { state in
            while let first = state.lines[key]?.popFirst() {
                state.waiting -= 1
                switch first.standing {
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
