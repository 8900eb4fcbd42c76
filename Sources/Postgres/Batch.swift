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
    var exchange = Exchange(units: 0)

    init(_ entries: [BatchQueue<Job>.Entry]) {
        self.entries = entries
        plan = BatchPlan(lockOrders: entries.map { $0.element.lockOrder })
    }

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
        exchange = Exchange(units: units.count)
        return true
    }

    /// Operations in the round.
    var operationCount: Int { members.reduce(0) { $0 + $1.count } }

    /// Operations without an outcome so far.
    var unsettled: [BatchQueue<Job>.Entry] { plan.unsettled.map { entries[$0] } }

    /// Whether nobody waits for any operation of the round any more.
    var isAbandoned: Bool {
        let now = ContinuousClock.now
        return members.allSatisfy { $0.allSatisfy { entries[$0].element.abandonment(now: now) != nil } }
    }

    /// Whether everything is answered, only the commit is not confirmed yet, and no operation will take another round trip: what is sent
    /// now comes after the batch for everybody. (A commit that fails nevertheless takes the batch's operations behind those.)
    var isAnsweredForGood: Bool {
        isTogether && exchange.isAnswered && units.indices.allSatisfy { units[$0].isFinal(exchange.answers(of: $0)) }
    }

    /// Gives the operations of the round their outcomes, as far as PostgreSQL told them. Returns those that need no further run in this
    /// batch.
    ///
    /// - Parameter isClosed: The caller asked to shut down at once.
    func settle(isClosed: Bool) -> [BatchQueue<Job>.Entry] {
        var settled: [Int] = []
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
            if !isTogether { for index in members { _ = plan.aloneFinished(index, error: nil) } }
            return members
        case .failed(let error):
            let now = ContinuousClock.now
            var settled: [Int] = []
            for index in members {
                let job = entries[index].element
                // Undone. One whom nobody waits for is not run again; PostgreSQL's 57014 was our own request to cancel.
                if let reason = isClosed ? .shutdown : job.abandonment(now: now) {
                    job.fail(reason)
                    if !isTogether { plan.drop(index) }
                    settled.append(index)
                } else if !isTogether, plan.aloneFinished(index, error: error) == .settled {
                    job.fail(error)
                    settled.append(index)
                }
            }
            return settled
        case .pending: return []
        }
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
