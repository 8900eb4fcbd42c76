/// The bounded queue of a lane: what waits, which connections are up or idle, which batch goes next, and who fails when there is no
/// connection. Pure: it takes no lock, does no I/O, reads no clock; `Lane` calls it under its lock and acts on what it returns.
struct BatchQueue<Element> {
    typealias ID = UInt64
    typealias Instant = ContinuousClock.Instant

    private enum Life { case open, draining, closed }

    private let limits: Limits
    private var life = Life.open
    /// Waiting entries by number: entry `id` is at `id - firstID`; `nil` where one was cancelled. Served from `head` on.
    private var slots: [Entry?] = []
    private var head = 0
    private var firstID: ID = 0
    private(set) var count = 0
    /// Bytes (`Entry.cost`) that wait in `slots`.
    private var bytes = 0
    /// What runs again, before all others: operations that take another round trip, and reads whose connection was lost.
    private var held: [Entry] = []
    private var turns = CallerTurns()
    /// What waits for locks that other transactions hold.
    private var aside: LockQueue<Element>
    /// The last round was a trial: others first.
    private var wasTrial = false
    private var connected: Set<Int> = []
    private var idle: [Int] = []
    /// Why there is no connection; `nil` until an attempt to make one has ended, the first or the one after a loss: meanwhile operations are
    /// let in and wait for it.
    private var reason: String?
    /// What the last connection was lost with.
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
    /// Whether locks are known that other transactions hold.
    var hasHeldLocks: Bool { !aside.isEmpty }
    /// When operations that were put aside are to be tried.
    var nextTrial: Instant? { aside.nextTrial }
    /// The last reason why a connection failed or could not be made, while there is none.
    var unavailableReason: String? { connected.isEmpty ? reason ?? loss : nil }

    // MARK: Operations

    mutating func enqueue(
        _ element: Element, cost: Int, deadline: Instant?, company: Company, caller: UInt64 = 0, lock: UInt64? = nil
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
        slots.append(Entry(id: id, element: element, cost: cost, deadline: deadline, company: company, caller: caller, lock: lock))
        count += 1
        return .queued(id, wake: idle.popLast())
    }

    /// Takes a waiting entry out; `nil` when it does not wait (any more).
    mutating func cancel(_ id: ID) -> Element? {
        if let index = held.firstIndex(where: { $0.id == id }) { return held.remove(at: index).element }
        guard id >= firstID, id - firstID < ID(slots.count), let entry = slots[Int(id - firstID)] else { return aside.cancel(id) }
        let index = Int(id - firstID)
        vacate(index, entry)
        return entry.element
    }

    /// Queues what takes another round trip, in front and in its order. Returns who fails because there is no connection any more, and
    /// which idle connection should come.
    mutating func enqueueAgain(_ entries: [Entry]) -> (failures: [Failure], wake: Int?) {
        if life == .closed { return (entries.map { Failure($0, .shutdown) }, nil) }
        if connected.isEmpty, let reason {
            return (entries.map { Failure($0, .unavailable(message: reason, outcomeUnknown: false)) }, nil)
        }
        held += entries
        return ([], idle.popLast())
    }

    // MARK: Batches

    /// What the connection should do next. Entries past their deadline are dropped into `expired`.
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
        takeEquals(into: &batch, now: now)
        return batch.entries
    }

    /// When more waits than fits into a few batches; nil when it does not, or all of it is one caller's.
    private mutating func takeInTurns(now: Instant, _ expired: inout [Failure]) -> [Entry]? {
        let isMuch = held.count + count > Self.batchesInOrder * limits.operations || heldBytes + bytes > limits.bytes
        guard isMuch, let order = turns.next(callers, limit: 2 * limits.operations) else {
            if !isMuch { turns.reset() }
            return nil
        }
        var batch = NextBatch()
        var taken: Set<Int> = []
        for place in order {
            if isFull(batch) { break }
            let isHeld = place < held.count
            let index = isHeld ? place : head + place - held.count
            guard let entry = isHeld ? held[index] : slots[index], add(entry, to: &batch, now: now, &expired) else { break }
            turns.took(entry.caller, cost: entry.cost)
            if isHeld { taken.insert(index) } else { vacate(index, entry) }
        }
        if !taken.isEmpty { held = held.enumerated().filter { !taken.contains($0.offset) }.map(\.element) }
        takeEquals(into: &batch, now: now)
        // Passes over what went, so that places are given back.
        _ = next()
        return batch.entries
    }

    /// So many are soon over, and taking turns costs time.
    private static var batchesInOrder: Int { 4 }

    private var heldBytes: Int { held.isEmpty ? 0 : held.reduce(0) { $0 + $1.cost } }

    /// Of all that waits, in its order; nil where something was cancelled.
    private var callers: [UInt64?] { held.map(\.caller) + slots[head...].map { $0?.caller } }

    private struct NextBatch {
        var entries: [Entry] = []
        var bytes = 0
    }

    /// Those that want a batch of their own have it.
    private func isFull(_ batch: NextBatch) -> Bool {
        batch.entries.count >= limits.operations || batch.entries.first.map { $0.company != .anybody } ?? false
    }

    /// Decides over an entry whose turn it is.
    /// - Returns: false when it stays where it is, and the batch is full.
    private mutating func add(_ entry: Entry, to batch: inout NextBatch, now: Instant, _ expired: inout [Failure]) -> Bool {
        if let deadline = entry.deadline, deadline <= now {
            expired.append(Failure(entry, .deadlineExceeded))
            return true
        }
        if !aside.isEmpty, let lock = entry.lock, aside.isHeld(lock) {
            aside.add(entry, lock: lock, now: now)
            return true
        }
        let fits = batch.entries.isEmpty || (entry.company == .anybody && batch.bytes + entry.cost <= limits.bytes)
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

    /// Puts aside operations whose locks were not to be had within their batch's patience.
    mutating func putAside(_ entries: [Entry], now: Instant) -> [Failure] {
        if life == .closed { return entries.map { Failure($0, .shutdown) } }
        for lock in Set(entries.compactMap(\.lock)) { aside.isHeldStill(lock, now: now) }
        for entry in entries {
            if let lock = entry.lock { aside.add(entry, lock: lock, now: now) }
        }
        return sweepAside(now: now)
    }

    /// The lock of an operation on trial was to be had, or no longer matters: those behind it go before everything that came later.
    mutating func lockFreed(_ lock: UInt64) {
        if !aside.isEmpty { held = merged(held, aside.freed(lock)) }
    }

    /// Both in the order in which they were submitted.
    private func merged(_ entries: [Entry], _ others: [Entry]) -> [Entry] {
        others.isEmpty ? entries : (entries + others).sorted { $0.id < $1.id }
    }

    private mutating func sweepAside(now: Instant) -> [Failure] {
        aside.sweep(now: now).map { entry, isLate in
            Failure(entry, isLate ? .deadlineExceeded : .unavailable(message: Self.heldMessage, outcomeUnknown: false))
        }
    }

    private static var heldMessage: String { "another transaction holds what this one changes; nothing was applied" }

    /// Drops what is past its deadline, or was held too long for a connection or by a lock.
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

    /// The connection was lost. What waits goes on waiting until an attempt to make another one has ended: PostgreSQL may have closed it for
    /// being idle. `retry` are reads of its batch that may run once more, on another connection, until `heldUntil`. Returns who failed, and which idle connection should take the retries.
    mutating func connectionLost(
        _ connection: Int, message: String, retry: [Entry] = [], heldUntil: Instant
    ) -> (failures: [Failure], wake: Int?) {
        connected.remove(connection)
        idle.removeAll { $0 == connection }
        loss = message
        reason = nil
        var failures = life == .open ? [] : failAll(unlessConnected: message)
        for var entry in retry {
            // Run once more only, and not for a caller who asked to shut down.
            if life == .open, entry.heldUntil == nil {
                entry.heldUntil = heldUntil
                held.append(entry)
            } else {
                failures.append(Failure(entry, .unavailable(message: message, outcomeUnknown: false)))
            }
        }
        return (failures, held.isEmpty ? nil : idle.popLast())
    }

    /// An attempt to connect is made at once, since others succeed: what comes waits for it.
    mutating func expectConnection() { reason = nil }

    /// An attempt to connect failed.
    mutating func attemptFailed(message: String) -> [Failure] { failAll(unlessConnected: message) }

    // MARK: Shutdown

    /// Refuses new operations; connections finish what waits. Returns who fails because there is no connection.
    mutating func drain() -> [Failure] {
        guard life == .open else { return [] }
        life = .draining
        return connected.isEmpty ? removeAll(.shutdown) : []
    }

    /// Fails what still waits.
    mutating func close() -> [Failure] {
        life = .closed
        return removeAll(.shutdown)
    }

    // MARK: The ring

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
        head = 0
        count = 0
        bytes = 0
        return failures
    }

    /// The entry to serve next; passes over cancelled ones.
    private mutating func next() -> Entry? {
        if let entry = held.first { return entry }
        while head < slots.count {
            if let entry = slots[head] { return entry }
            head += 1
        }
        compact()
        return nil
    }

    /// Takes what asks for the same as the batch's only entry from anywhere in the queue.
    private mutating func takeEquals(into batch: inout NextBatch, now: Instant) {
        guard let first = batch.entries.first, case .equals = first.company else { return }
        for index in head..<slots.count where batch.entries.count < limits.operations {
            guard let entry = slots[index], entry.company == first.company else { continue }
            // `sweep` tells those who are late.
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
        count -= 1
        bytes -= entry.cost
    }

    /// Gives served places back, in amortised constant time.
    private mutating func compact() {
        guard head == slots.count || head >= 1024 && head * 2 >= slots.count else { return }
        firstID += ID(head)
        slots.removeFirst(head)
        head = 0
    }
}
