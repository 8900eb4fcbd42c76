import Resources

/// Operations taken from the queue together, until each has its outcome: the round in flight, and the operations that still have to run.
/// Confined to the connection's thread.
final class Batch {
    private let entries: [BatchQueue<Job>.Entry]
    private var plan: BatchPlan
    /// The round in flight: its units, the entries of each unit, and the results received so far.
    private(set) var units: [any TransactionUnit] = []
    private var members: [[Int]] = []
    private(set) var isTogether = false
    /// Whether the operations run again, after their transaction was rolled back.
    private(set) var isRepetition = false
    /// Per unit, the transaction's `lock_timeout` in milliseconds; `nil` leaves the session's.
    private(set) var lockWaits: [Int?] = []
    /// The error that makes the server unusable for now: operations without an outcome were rolled back, and the connection must be closed.
    private(set) var serverError: PostgresError?
    /// Operations whose locks another transaction holds; they left the batch.
    private(set) var aside: [BatchQueue<Job>.Entry] = []
    /// The errors with which operations finally failed in the last round.
    private(set) var failures: [PostgresError] = []
    private(set) var hasCommitted = false
    var results = PipelineResults(units: 0)
    private let statementTimeout: Duration?
    private var sentAt = Instant.now

    /// - Parameter statementTimeout: PostgreSQL cancels a statement by itself after this time.
    init(_ entries: [BatchQueue<Job>.Entry], lockWait: BatchPlan.LockWait = .session, statementTimeout: Duration? = nil) {
        self.entries = entries
        self.statementTimeout = statementTimeout
        plan = BatchPlan(lockOrders: entries.map { $0.element.lockOrder }, lockWait: lockWait)
    }

    /// The locks of the operations, for a trial.
    var locks: Set<UInt64> { Set(entries.compactMap(\.lock)) }

    /// Prepares the next round; `false` when every operation has its outcome.
    func prepareRound() -> Bool {
        guard let round = plan.nextRound() else { return false }
        isRepetition = !members.isEmpty
        let (indices, together) = round.operations
        let jobs = indices.map { entries[$0].element }
        let places = together ? BatchPlan.units(jobs.map { ($0.type, $0.lockOrder) }) : jobs.indices.map { [$0] }
        units = places.map { places in jobs[places[0]].work.unit(of: places.map { jobs[$0].work }) }
        members = places.map { $0.map { indices[$0] } }
        isTogether = together
        let wait = plan.lockWait.milliseconds
        lockWaits =
            wait == nil ? [] : members.map { [entries] in $0.contains { entries[$0].element.lockOrder != nil } ? wait : nil }
        results = PipelineResults(units: units.count)
        sentAt = .now
        return true
    }

    /// Operations in the round.
    var operationCount: Int { members.reduce(0) { $0 + $1.count } }

    /// Operations without an outcome so far.
    var unsettled: [BatchQueue<Job>.Entry] { plan.unsettled.map { entries[$0] } }

    /// A batch that is answered within this time is not cancelled. PostgreSQL starts a process for each cancel request, and the next batch
    /// waits for it, so a client that cancels thousands of short operations would delay all others.
    static let cancelDelay = Duration.milliseconds(100)

    /// Whether to cancel the round: it takes longer than `cancelDelay`, and the callers of all its operations have given up.
    func isAbandoned(now: Instant = .now) -> Bool {
        guard now >= sentAt + Self.cancelDelay else { return false }
        return members.allSatisfy { $0.allSatisfy { entries[$0].element.abandonment(now: now) != nil } }
    }

    /// Whether all results have arrived, only the commit is unconfirmed, and no operation needs another round trip, so that statements sent
    /// now run after the whole batch. (If the commit fails after all, the operations run again after those statements.)
    var isAnsweredForGood: Bool {
        isTogether && results.isAnswered && units.indices.allSatisfy { units[$0].isFinal(results.answers(of: $0)) }
    }

    /// Gives the operations of the round their outcomes, as far as the results decide them. Returns those that need no further run in this
    /// batch.
    ///
    /// - Parameter isClosed: The connection group was closed; its operations fail with `shutdown` instead of running again.
    func settle(isClosed: Bool) -> [BatchQueue<Job>.Entry] {
        var settled: [Int] = []
        aside = []
        failures = []
        for (unit, result) in results.unitResults.enumerated() {
            settled += settle(result, units[unit], members[unit], isClosed: isClosed)
        }
        if isTogether { plan.togetherFinished(settled: settled) }
        // Results count once, also when the connection is lost now.
        results = PipelineResults(units: 0)
        return settled.map { entries[$0] }
    }

    private func settle(_ result: UnitResult, _ unit: any TransactionUnit, _ members: [Int], isClosed: Bool) -> [Int] {
        switch result {
        case .committed(let rows):
            unit.decode(rows)
            hasCommitted = true
            if !isTogether { for index in members { _ = plan.aloneFinished(index, error: nil) } }
            return members
        case .failed(let error) where error.isServerUnavailable && !isClosed:
            serverError = error
            return []
        case .failed(let error):
            let now = Instant.now
            var settled: [Int] = []
            for index in members {
                let job = entries[index].element
                // Rolled back. An operation whose caller has given up is not run again; a 57014 came from our own cancel request.
                if let reason = isClosed ? .shutdown : job.abandonment(now: now) {
                    job.work.fail(reason)
                    if !isTogether { plan.drop(index) }
                    settled.append(index)
                } else if !isTogether {
                    settled += settleAlone(index, error, now)
                }
            }
            return settled
        case .pending: return []
        }
    }
}

extension Batch {
    private func settleAlone(_ index: Int, _ error: PostgresError, _ now: Instant) -> [Int] {
        // A statement that ran for its whole timeout was cancelled by PostgreSQL itself, and would be again.
        let isTimeout = error.sqlState == .queryCanceled && statementTimeout.map { now - sentAt >= $0 * 0.9 } ?? false
        switch isTimeout ? dropped(index) : plan.aloneFinished(index, error: error) {
        case .runsAgain: return []
        case .aside(let indices):
            aside += indices.map { entries[$0] }
            return []
        case .settled:
            entries[index].element.work.fail(error)
            failures.append(error)
            return [index]
        }
    }

    private func dropped(_ index: Int) -> BatchPlan.Verdict {
        plan.drop(index)
        return .settled
    }
}

extension BatchPlan.Round {
    fileprivate var operations: (indices: [Int], together: Bool) {
        switch self {
        case .together(let indices): (indices, true)
        case .separately(let indices): (indices, false)
        }
    }
}

/// How a batch runs: first all operations together in one transaction; if that is rolled back, each in a transaction of its own, several
/// times if it conflicts with other transactions. Pure.
struct BatchPlan {
    /// How often an operation is run alone.
    static let maximumAttempts = 5

    enum Round: Equatable {
        /// One transaction for all these operations.
        case together([Int])
        /// One transaction for each.
        case separately([Int])
    }

    enum Verdict: Equatable {
        case settled
        case runsAgain
        /// Another transaction holds the lock of these: the operation, and those behind it with the same lock. They leave the batch.
        case aside([Int])
    }

    /// How long the statements of a round wait for locks.
    enum LockWait {
        /// The session's `lock_timeout`.
        case session
        /// Some locks are known to be held, and the batch may need another held lock.
        case cautious
        /// The operations run one by one: on trial for their locks, or after their batch was rolled back.
        case trial

        /// The transaction's `lock_timeout`; `nil` leaves the session's.
        var milliseconds: Int? {
            switch self {
            case .session: nil
            case .cautious: 100
            case .trial: 20
            }
        }
    }

    private let lockOrders: [UInt64?]
    private var waiting: [Int]
    private var attempts: [Int]
    private var isTogether: Bool
    /// That of the first round; later rounds use `trial`.
    private(set) var lockWait: LockWait

    init(count: Int) { self.init(lockOrders: Array(repeating: nil, count: count)) }

    /// Sorts the operations by lock (`Operation.lockOrder`); those with the same lock keep their order.
    /// - Parameter lockWait: With `trial` the operations run one by one from the start.
    init(lockOrders: [UInt64?], lockWait: LockWait = .session) {
        self.lockOrders = lockOrders
        self.lockWait = lockWait
        waiting = lockOrders.indices.sorted { (lockOrders[$0] ?? 0, $0) < (lockOrders[$1] ?? 0, $1) }
        attempts = Array(repeating: 0, count: lockOrders.count)
        isTogether = lockOrders.count > 1 && lockWait != .trial
    }

    /// Divides operations that run together into units, whose operations share statements: by type if they take no lock, else runs of one
    /// type, so that their order stays.
    static func units(_ operations: [(type: ObjectIdentifier, lockOrder: UInt64?)]) -> [[Int]] {
        var units: [[Int]] = []
        var free: [ObjectIdentifier: Int] = [:]
        var last: ObjectIdentifier?
        for (index, operation) in operations.enumerated() {
            let known = operation.lockOrder == nil ? free[operation.type] : last == operation.type ? units.count - 1 : nil
            if let known {
                units[known].append(index)
                continue
            }
            if operation.lockOrder == nil { free[operation.type] = units.count }
            units.append([index])
            last = operation.lockOrder == nil ? nil : operation.type
        }
        return units
    }

    /// Operations without an outcome so far.
    var unsettled: [Int] { waiting }

    /// What to run now; `nil` when every operation has its outcome.
    func nextRound() -> Round? {
        if waiting.isEmpty { return nil }
        if isTogether { return .together(waiting) }
        if waiting.count == 1 { return .separately(waiting) }
        // Of operations with the same lock only the first: the next one must not overtake it when it has to run again.
        var locks: Set<UInt64> = []
        return .separately(waiting.filter { lockOrders[$0].map { locks.insert($0).inserted } ?? true })
    }

    /// The common transaction ended: `settled` have their outcome, the others run alone.
    mutating func togetherFinished(settled: [Int]) {
        isTogether = false
        lockWait = .trial
        let settled = Set(settled)
        waiting.removeAll { settled.contains($0) }
    }

    /// The operation's own transaction was committed, or rolled back because of `error`.
    mutating func aloneFinished(_ index: Int, error: PostgresError?) -> Verdict {
        attempts[index] += 1
        if let error {
            if error.sqlState == .lockNotAvailable, let lock = lockOrders[index] {
                let aside = waiting.filter { lockOrders[$0] == lock }
                waiting.removeAll { lockOrders[$0] == lock }
                return .aside(aside)
            }
            if Self.isTransient(error), attempts[index] < Self.maximumAttempts { return .runsAgain }
        }
        drop(index)
        return .settled
    }

    /// The operation needs no further run: it has its outcome, was cancelled or expired.
    mutating func drop(_ index: Int) { waiting.removeAll { $0 == index } }

    /// Whether the operation may succeed when it runs again: it conflicted with another transaction, whose commit it then sees. 57014 is a
    /// cancel request that was meant for another statement (`Batch` handles those that hit the right one). A statement that is unknown by
    /// its name, or was planned before a migration, is prepared again under another name.
    static func isTransient(_ error: PostgresError) -> Bool {
        switch error.sqlState {
        case .serializationFailure, .deadlockDetected, .uniqueViolation, .queryCanceled: true
        default: isStalePreparation(error)
        }
    }

    /// 26000: a pooler or `DISCARD ALL` removed the prepared statement. 0A000: "cached plan must not change result type".
    static func isStalePreparation(_ error: PostgresError) -> Bool {
        guard case .server(let state, let message, _, _) = error else { return false }
        return state == .invalidStatementName || state == .featureNotSupported && message.contains("cached plan")
    }
}
