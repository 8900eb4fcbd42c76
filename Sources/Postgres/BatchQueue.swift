import Resources

/// The bounded queue of a connection group: which operations wait, which connections are up or idle, which batch is next, and which
/// operations fail when there is no connection. Pure: it takes no lock, does no I/O and reads no clock; `ConnectionGroup` calls it under
/// its lock and acts on what it returns.
struct BatchQueue<Element> {
    typealias ID = UInt64

    private enum Life { case open, draining, closed }

    private let limits: Limits
    private var life = Life.open
    /// Waiting entries by number: entry `id` is at `id - firstID`; `nil` where one was taken or cancelled. Served from `head` on.
    private var slots: [Entry?] = []
    /// The caller of each entry in `slots`, apart from it: entries are large, and `CallerTurns` looks at all callers for each batch.
    private var callers: [UInt64?] = []
    private var head = 0
    private var firstID: ID = 0
    private(set) var count = 0
    /// Bytes (`Entry.cost`) that wait in `slots`.
    private var bytes = 0
    /// Run before all others: operations that need another round trip, reads whose connection was lost, operations whose lock became free.
    private var held: [Entry] = []
    /// While much waits.
    private var turns: CallerTurns?
    /// Operations that wait for locks that other transactions hold.
    private var aside: LockQueue<Element>
    /// Whether the last batch was a trial: then other operations come first.
    private var wasTrial = false
    private var connected: Set<Int> = []
    private var idle: [Int] = []
    /// Why there is no connection. `nil` until the first attempt to connect has ended, and after a loss until the next one has: meanwhile
    /// operations are queued.
    private var reason: String?
    /// Why the last connection was lost.
    private var loss: String?

    init(limits: Limits) {
        self.limits = limits
        aside = LockQueue(patience: limits.lockPatience)
    }

    var isConnected: Bool { !connected.isEmpty }
    var isDraining: Bool { life != .open }
    var isClosed: Bool { life == .closed }
    /// Operations that wait.
    var queued: Int { count + aside.count }
    /// Whether other transactions are known to hold locks.
    var hasHeldLocks: Bool { !aside.isEmpty }
    /// When operations that were put aside are to be tried.
    var nextTrial: Instant? { aside.nextTrial }
    /// Why the last connection was lost or the last attempt failed; `nil` while there is a connection.
    var unavailableReason: String? { connected.isEmpty ? reason ?? loss : nil }

    // MARK: Operations

    mutating func enqueue(
        _ element: Element, cost: Int, deadline: Instant?, affinity: BatchAffinity, caller: UInt64 = 0, lock: UInt64? = nil
    ) -> Admission {
        guard life == .open else { return .refused(.shutdown) }
        if connected.isEmpty, let reason { return .refused(.unavailable(message: reason, outcomeUnknown: false)) }
        guard queued < limits.queued else { return .refused(.overloaded(queued: queued, limit: limits.queued, unit: .operations)) }
        let queuedBytes = bytes + aside.bytes
        guard queued == 0 || queuedBytes + cost <= limits.queuedBytes else {
            return .refused(.overloaded(queued: queuedBytes, limit: limits.queuedBytes, unit: .bytes))
        }
        let id = firstID + ID(slots.count)
        bytes += cost
        callers.append(caller)
        slots.append(Entry(id: id, element: element, cost: cost, deadline: deadline, affinity: affinity, caller: caller, lock: lock))
        count += 1
        return .queued(id, wake: idle.popLast())
    }

    /// Removes a waiting entry; `nil` when it does not wait any more.
    mutating func cancel(_ id: ID) -> Element? {
        if let index = held.firstIndex(where: { $0.id == id }) { return held.remove(at: index).element }
        guard id >= firstID, id - firstID < ID(slots.count), let entry = slots[Int(id - firstID)] else { return aside.cancel(id) }
        let index = Int(id - firstID)
        vacate(index, entry)
        return entry.element
    }

    /// Queues operations that need another round trip in front, in their order. Returns those that fail because there is no connection any
    /// more, and the idle connection to wake.
    mutating func enqueueAgain(_ entries: [Entry]) -> (failures: [Failure], wake: Int?) {
        if life == .closed { return (entries.map { Failure($0, .shutdown) }, nil) }
        if connected.isEmpty, let reason {
            return (entries.map { Failure($0, .unavailable(message: reason, outcomeUnknown: false)) }, nil)
        }
        held += entries
        return ([], idle.popLast())
    }

    // MARK: Batches

    /// What the connection should do next. Entries past their deadline are moved to `expired`.
    mutating func take(for connection: Int, now: Instant, expired: inout [Failure]) -> Take {
        if life == .closed { return .finished }
        if !wasTrial || count + held.count == 0, let trials = takeTrials(now: now, expired: &expired) { return trials }
        wasTrial = false
        let batch = takeInTurns(now: now, &expired) ?? takeInOrder(now: now, &expired)
        if !batch.isEmpty { return .batch(batch) }
        if life == .draining, aside.count == 0 { return .finished }
        if !idle.contains(connection) { idle.append(connection) }
        return .idle
    }

    private mutating func takeInOrder(now: Instant, _ expired: inout [Failure]) -> [Entry] {
        var batch = NextBatch()
        while !isFull(batch), let entry = next(), add(entry, to: &batch, now: now, &expired) {
            removeNext()
        }
        takeIdentical(into: &batch, now: now)
        return batch.entries
    }

    /// For more entries than fit into a batch; `nil` when there are fewer, or all are one caller's.
    private mutating func takeInTurns(now: Instant, _ expired: inout [Failure]) -> [Entry]? {
        let isMuch = held.count + count > limits.operations || heldBytes + bytes > limits.bytes
        guard isMuch else {
            turns = nil
            return nil
        }
        var turns = self.turns.take() ?? CallerTurns()
        guard let order = turns.next(held.map(\.caller) + callers[head...], limit: 2 * limits.operations) else { return nil }
        defer { self.turns = turns }
        let most = turns.isBesideLightCallers ? max(limits.operations / 4, 1) : limits.operations
        var batch = NextBatch()
        var taken: Set<Int> = []
        for place in order {
            if isFull(batch) || batch.entries.count >= most { break }
            let isHeld = place < held.count
            let index = isHeld ? place : head + place - held.count
            guard let entry = isHeld ? held[index] : slots[index], add(entry, to: &batch, now: now, &expired) else { break }
            turns.took(entry.caller, cost: entry.cost)
            if isHeld { taken.insert(index) } else { vacate(index, entry) }
        }
        if !taken.isEmpty { held = held.enumerated().filter { !taken.contains($0.offset) }.map(\.element) }
        takeIdentical(into: &batch, now: now)
        // Moves `head` past the entries taken, so that `compact` can free their slots.
        _ = next()
        return batch.entries
    }

    private var heldBytes: Int { held.isEmpty ? 0 : held.reduce(0) { $0 + $1.cost } }

    private struct NextBatch {
        var entries: [Entry] = []
        var bytes = 0
    }

    /// A first entry that does not share its batch fills it.
    private func isFull(_ batch: NextBatch) -> Bool {
        batch.entries.count >= limits.operations || batch.entries.first.map { $0.affinity != .any } ?? false
    }

    /// Adds an entry to the batch, unless it has expired or its lock is held.
    /// - Returns: `false` when the batch is full, and the entry stays in the queue.
    private mutating func add(_ entry: Entry, to batch: inout NextBatch, now: Instant, _ expired: inout [Failure]) -> Bool {
        if let deadline = entry.deadline, deadline <= now {
            expired.append(Failure(entry, .deadlineExceeded))
            return true
        }
        if !aside.isEmpty, let lock = entry.lock, aside.isHeld(lock) {
            aside.add(entry, lock: lock, now: now)
            return true
        }
        let fits = batch.entries.isEmpty || (entry.affinity == .any && batch.bytes + entry.cost <= limits.bytes)
        guard fits else { return false }
        batch.entries.append(entry)
        batch.bytes += entry.cost
        return true
    }

    private mutating func takeTrials(now: Instant, expired: inout [Failure]) -> Take? {
        var trials: [Entry] = []
        for entry in aside.takeTrials(now: now) {
            guard let deadline = entry.deadline, deadline <= now else {
                trials.append(entry)
                continue
            }
            expired.append(Failure(entry, .deadlineExceeded))
            if let lock = entry.lock { held = merged(held, aside.freed(lock)) }
        }
        if trials.isEmpty { return nil }
        wasTrial = true
        return .trial(trials)
    }

    // MARK: Locks of other transactions

    /// Puts aside operations that did not get their locks within their batch's lock timeout.
    mutating func putAside(_ entries: [Entry], now: Instant) -> [Failure] {
        if life == .closed { return entries.map { Failure($0, .shutdown) } }
        for lock in Set(entries.compactMap(\.lock)) { aside.isHeldStill(lock, now: now) }
        for entry in entries {
            if let lock = entry.lock { aside.add(entry, lock: lock, now: now) }
        }
        return sweepAside(now: now)
    }

    /// The lock of an operation on trial was free, or no longer matters: the operations behind it run before all that came later.
    mutating func lockFreed(_ lock: UInt64) {
        if !aside.isEmpty { held = merged(held, aside.freed(lock)) }
    }

    /// Both lists, in the order of submission.
    private func merged(_ entries: [Entry], _ others: [Entry]) -> [Entry] {
        others.isEmpty ? entries : (entries + others).sorted { $0.id < $1.id }
    }

    private mutating func sweepAside(now: Instant) -> [Failure] {
        aside.sweep(now: now).map { entry, isLate in
            Failure(entry, isLate ? .deadlineExceeded : .lockHeld)
        }
    }

    /// Removes entries that are past their deadline, or have waited too long for a connection or a lock.
    mutating func sweep(now: Instant) -> [Failure] {
        var failures = aside.isEmpty ? [] : sweepAside(now: now)
        held.removeAll { entry in
            let error: PostgresError
            if let deadline = entry.deadline, deadline <= now {
                error = .deadlineExceeded
            } else if let heldUntil = entry.heldUntil, heldUntil <= now {
                error = .unavailable(message: reason ?? "no connection", outcomeUnknown: false)
            } else {
                return false
            }
            failures.append(Failure(entry, error))
            return true
        }
        for index in head..<slots.count {
            guard let entry = slots[index], let deadline = entry.deadline, deadline <= now else { continue }
            vacate(index, entry)
            failures.append(Failure(entry, .deadlineExceeded))
        }
        return failures
    }

    // MARK: Connections

    mutating func connectionOpened(_ connection: Int) { connected.insert(connection) }

    /// The connection was lost. Waiting operations keep waiting until the next attempt to connect has ended: PostgreSQL may have closed an
    /// idle connection. `retry` are reads of its batch that may run once more, on another connection, until `heldUntil`. Returns the
    /// operations that failed, and the idle connection that should take the retries.
    mutating func connectionLost(
        _ connection: Int, message: String, retry: [Entry] = [], heldUntil: Instant
    ) -> (failures: [Failure], wake: Int?) {
        connected.remove(connection)
        idle.removeAll { $0 == connection }
        loss = message
        reason = nil
        var failures = life == .open ? [] : failAll(unlessConnected: message)
        for var entry in retry {
            // Once more only, and not after a shutdown was requested.
            if life == .open, entry.heldUntil == nil {
                entry.heldUntil = heldUntil
                held.append(entry)
            } else {
                failures.append(Failure(entry, .unavailable(message: message, outcomeUnknown: false)))
            }
        }
        return (failures, held.isEmpty ? nil : idle.popLast())
    }

    /// Another group has connected, so this one tries at once: new operations are queued until the attempt has ended.
    mutating func expectConnection() { reason = nil }

    /// An attempt to connect failed.
    mutating func attemptFailed(message: String) -> [Failure] { failAll(unlessConnected: message) }

    // MARK: Shutdown

    /// Refuses new operations; the connections finish the waiting ones. Returns those that fail because there is no connection.
    mutating func drain() -> [Failure] {
        guard life == .open else { return [] }
        life = .draining
        return connected.isEmpty ? removeAll(.shutdown) : []
    }

    /// Fails the operations that still wait.
    mutating func close() -> [Failure] {
        life = .closed
        return removeAll(.shutdown)
    }

    // MARK: Slots

    private mutating func failAll(unlessConnected message: String) -> [Failure] {
        guard connected.isEmpty else { return [] }
        reason = message
        // Reads that lost their connection wait for another one; all other operations fail at once.
        let keep = held.filter { $0.heldUntil != nil }
        held.removeAll { $0.heldUntil != nil }
        defer { held = keep }
        return removeAll(life == .open ? .unavailable(message: message, outcomeUnknown: false) : .shutdown)
    }

    private mutating func removeAll(_ error: PostgresError) -> [Failure] {
        let failures = (held + aside.removeAll() + slots[head...].compactMap { $0 }).map { Failure($0, error) }
        held = []
        firstID += ID(slots.count)
        slots.removeAll(keepingCapacity: true)
        callers.removeAll(keepingCapacity: true)
        head = 0
        count = 0
        bytes = 0
        return failures
    }

    /// The entry to serve next; skips empty slots.
    private mutating func next() -> Entry? {
        if let entry = held.first { return entry }
        while head < slots.count {
            if let entry = slots[head] { return entry }
            head += 1
        }
        compact()
        return nil
    }

    /// Adds all entries that are identical to the batch's first one, from anywhere in the queue.
    private mutating func takeIdentical(into batch: inout NextBatch, now: Instant) {
        guard let first = batch.entries.first, case .identical = first.affinity else { return }
        for index in head..<slots.count where batch.entries.count < limits.operations {
            guard let entry = slots[index], entry.affinity == first.affinity else { continue }
            // `sweep` fails expired entries.
            if let deadline = entry.deadline, deadline <= now { continue }
            vacate(index, entry)
            batch.entries.append(entry)
        }
    }

    private mutating func removeNext() {
        if !held.isEmpty {
            held.removeFirst()
            return
        }
        if let entry = slots[head] { vacate(head, entry) }
        head += 1
        compact()
    }

    private mutating func vacate(_ index: Int, _ entry: Entry) {
        slots[index] = nil
        callers[index] = nil
        count -= 1
        bytes -= entry.cost
    }

    /// Frees the slots of served entries, in amortised constant time.
    private mutating func compact() {
        guard head == slots.count || head >= 1024 && head * 2 >= slots.count else { return }
        firstID += ID(head)
        slots.removeFirst(head)
        callers.removeFirst(head)
        head = 0
    }
}
