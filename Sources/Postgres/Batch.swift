/// Operations that go to PostgreSQL together, from when they were taken to their outcomes: the round on its way, and what is left to do
/// after it. Confined to the connection's thread.
final class Batch {
    private let entries: [BatchQueue<Job>.Entry]
    private var plan: BatchPlan
    /// The round on its way: its units, the entries of each, and what PostgreSQL has answered.
    private(set) var units: [Unit] = []
    private var members: [[Int]] = []
    private(set) var isTogether = false
    /// The batch was undone.
    private(set) var isRepetition = false
    /// By unit, the transaction's `lock_timeout` in milliseconds; `nil`: that of the session.
    private(set) var lockWaits: [Int?] = []
    /// The server cannot be used for now: what has no outcome was undone, and the connection is to be given up.
    private(set) var serverError: PostgresError?
    /// Operations whose locks another transaction holds; they left the batch.
    private(set) var aside: [BatchQueue<Job>.Entry] = []
    /// What operations failed with for good in the last round.
    private(set) var failures: [PostgresError] = []
    private(set) var hasCommitted = false
    var exchange = Exchange(units: 0)
    private let statementTimeout: Duration?
    private var sentAt = ContinuousClock.now

    /// - Parameter statementTimeout: After that time PostgreSQL cancels a statement by itself.
    init(_ entries: [BatchQueue<Job>.Entry], lockWait: BatchPlan.LockWait = .session, statementTimeout: Duration? = nil) {
        self.entries = entries
        self.statementTimeout = statementTimeout
        plan = BatchPlan(lockOrders: entries.map { $0.element.lockOrder }, lockWait: lockWait)
    }

    /// The locks of its operations, for a batch on trial.
    var locks: Set<UInt64> { Set(entries.compactMap(\.lock)) }

    /// Makes the units of the next round; `false` when every operation has its outcome.
    func prepareRound() -> Bool {
        guard let round = plan.nextRound() else { return false }
        isRepetition = !members.isEmpty
        let (indices, together) = round.operations
        let jobs = indices.map { entries[$0].element }
        let places = together ? BatchPlan.units(jobs.map { ($0.type, $0.lockOrder) }) : jobs.indices.map { [$0] }
        units = places.map { places in jobs[places[0]].unit(of: places.map { jobs[$0] }) }
        members = places.map { $0.map { indices[$0] } }
        isTogether = together
        let wait = plan.lockWait.milliseconds
        lockWaits =
            wait == nil ? [] : members.map { [entries] in $0.contains { entries[$0].element.lockOrder != nil } ? wait : nil }
        exchange = Exchange(units: units.count)
        sentAt = .now
        return true
    }

    /// Operations in the round.
    var operationCount: Int { members.reduce(0) { $0 + $1.count } }

    /// Operations without an outcome so far.
    var unsettled: [BatchQueue<Job>.Entry] { plan.unsettled.map { entries[$0] } }

    /// A batch that is answered within this time is not cancelled: for that PostgreSQL starts a process, and the next batch must wait for it.
    /// Who cancels thousands of short operations would hold everybody up.
    static let cancelDelay = Duration.milliseconds(100)

    /// Whether the callers of all operations of the round have given up, and it takes its time: it is to be cancelled.
    func isAbandoned(now: ContinuousClock.Instant = .now) -> Bool {
        guard now >= sentAt + Self.cancelDelay else { return false }
        return members.allSatisfy { $0.allSatisfy { entries[$0].element.abandonment(now: now) != nil } }
    }

    /// Whether everything is answered, only the commit is not confirmed yet, and no operation will take another round trip: what is sent
    /// now comes after the whole batch. (A commit that fails nevertheless takes the batch's operations behind those.)
    var isAnsweredForGood: Bool {
        isTogether && exchange.isAnswered && units.indices.allSatisfy { units[$0].isFinal(exchange.answers(of: $0)) }
    }

    /// Gives the operations of the round their outcomes, as far as PostgreSQL told them. Returns those that need no further run in this
    /// batch.
    ///
    /// - Parameter isClosed: The caller asked to shut down at once.
    func settle(isClosed: Bool) -> [BatchQueue<Job>.Entry] {
        var settled: [Int] = []
        aside = []
        failures = []
        for (unit, result) in exchange.results.enumerated() {
            settled += settle(result, units[unit], members[unit], isClosed: isClosed)
        }
        if isTogether { plan.togetherFinished(settled: settled) }
        return settled.map { entries[$0] }
    }

    private func settle(_ result: ExchangeResult, _ unit: Unit, _ members: [Int], isClosed: Bool) -> [Int] {
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
            let now = ContinuousClock.now
            var settled: [Int] = []
            for index in members {
                let job = entries[index].element
                // Undone. One that no caller waits for is not run again; PostgreSQL's 57014 was our own request to cancel.
                if let reason = isClosed ? .shutdown : job.abandonment(now: now) {
                    job.fail(reason)
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
    private func settleAlone(_ index: Int, _ error: PostgresError, _ now: ContinuousClock.Instant) -> [Int] {
        // One that took its time was cancelled by PostgreSQL itself, and would be again.
        let isTimeout = error.sqlState == .queryCanceled && statementTimeout.map { now - sentAt >= $0 * 0.9 } ?? false
        switch isTimeout ? dropped(index) : plan.aloneFinished(index, error: error) {
        case .runsAgain: return []
        case .aside(let indices):
            aside += indices.map { entries[$0] }
            return []
        case .settled:
            entries[index].element.fail(error)
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
