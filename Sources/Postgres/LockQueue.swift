import Resources

/// Operations that were put aside because another transaction holds their lock (`Operation.lockOrder`), so that they do not hold up the
/// rest of their connection group, however many there are. Now and then the first operation of each lock is tried, on its own and with a
/// short lock timeout; the operations behind it wait, so that those of one lock keep their order. Pure.
struct LockQueue<Element> {
    typealias Entry = BatchQueue<Element>.Entry

    /// How long a lock stays known to be held after its last operation has given up and its next trial was due. Operations that arrive for
    /// it meanwhile, one after the other, are put aside as well, instead of each holding up the connection group for a whole timeout.
    static var memory: Duration { .seconds(2) }

    /// Locks that are tried in one round, which holds up the connection group for as many times `LockWait.trial`.
    static var trialsPerRound: Int { 8 }

    private struct Held {
        /// In the order of submission.
        var entries: [Entry]
        var backoff = Backoff(first: .milliseconds(100), ceiling: .seconds(1))
        /// When the first entry is tried; `nil` while it is on trial.
        var nextTrial: Instant?
    }

    /// How long an operation may stay here in all.
    private let patience: Duration
    private var locks: [UInt64: Held] = [:]
    private(set) var count = 0
    private(set) var bytes = 0

    init(patience: Duration) { self.patience = patience }

    /// No lock is known to be held.
    var isEmpty: Bool { locks.isEmpty }

    /// When the next trial is due.
    var nextTrial: Instant? { locks.values.lazy.filter { !$0.entries.isEmpty }.compactMap(\.nextTrial).min() }

    func isHeld(_ lock: UInt64) -> Bool { locks[lock] != nil }

    /// Puts aside an operation whose lock is known to be held.
    mutating func add(_ entry: Entry, lock: UInt64, now: Instant) {
        var entry = entry
        entry.asideUntil = entry.asideUntil ?? now + patience
        var held = locks[lock] ?? Held(entries: [], nextTrial: nil)
        let place = held.entries.firstIndex { $0.id > entry.id } ?? held.entries.endIndex
        held.entries.insert(entry, at: place)
        count += 1
        bytes += entry.cost
        locks[lock] = held
    }

    /// The first operations of the locks whose trial is due; each is tried on its own.
    mutating func takeTrials(now: Instant) -> [Entry] {
        if locks.isEmpty { return [] }
        let due = locks.filter { $0.value.nextTrial.map { $0 <= now } ?? false && !$0.value.entries.isEmpty }
            .sorted { ($0.value.nextTrial ?? now, $0.key) < ($1.value.nextTrial ?? now, $1.key) }
        return due.prefix(Self.trialsPerRound).map { lock, held in
            var held = held
            let entry = held.entries.removeFirst()
            count -= 1
            bytes -= entry.cost
            held.nextTrial = nil
            locks[lock] = held
            return entry
        }
    }

    /// The lock was not free: it is known to be held from now on, and tried again later.
    mutating func isHeldStill(_ lock: UInt64, now: Instant) {
        var held = locks[lock] ?? Held(entries: [], nextTrial: nil)
        held.nextTrial = now + held.backoff.next()
        locks[lock] = held
    }

    /// The lock was free, or the operation on trial has another outcome. Returns the operations behind it.
    mutating func freed(_ lock: UInt64) -> [Entry] {
        guard let held = locks.removeValue(forKey: lock) else { return [] }
        count -= held.entries.count
        for entry in held.entries { bytes -= entry.cost }
        return held.entries
    }

    mutating func cancel(_ id: BatchQueue<Element>.ID) -> Element? {
        for (lock, held) in locks {
            guard let place = held.entries.firstIndex(where: { $0.id == id }) else { continue }
            return remove(at: place, of: lock)?.element
        }
        return nil
    }

    /// Removes operations that are past their deadline or have waited long enough, and forgets locks without operations (`memory`).
    mutating func sweep(now: Instant) -> [(entry: Entry, isLate: Bool)] {
        var removed: [(entry: Entry, isLate: Bool)] = []
        for (lock, held) in locks {
            if held.entries.isEmpty, let due = held.nextTrial, due + Self.memory <= now {
                locks[lock] = nil
                continue
            }
            for place in held.entries.indices.reversed() {
                let entry = held.entries[place]
                let isLate = entry.deadline.map { $0 <= now } ?? false
                guard isLate || entry.asideUntil.map({ $0 <= now }) ?? false, let entry = remove(at: place, of: lock) else { continue }
                removed.append((entry, isLate))
            }
        }
        return removed.sorted { $0.entry.id < $1.entry.id }
    }

    mutating func removeAll() -> [Entry] {
        let entries = locks.values.flatMap(\.entries).sorted { $0.id < $1.id }
        locks = [:]
        (count, bytes) = (0, 0)
        return entries
    }

    private mutating func remove(at place: Int, of lock: UInt64) -> Entry? {
        guard var held = locks[lock] else { return nil }
        let entry = held.entries.remove(at: place)
        count -= 1
        bytes -= entry.cost
        locks[lock] = held
        return entry
    }
}
