import Logging

/// What one connection's thread does: connect, serve batches, connect again; until the lane is shut down.
struct ConnectionWorker: Sendable {
    let lane: Lane
    /// Its place in the lane.
    let index: Int
    let options: ConnectionOptions
    let configuration: Database.Configuration
    let logger: Logger

    private var wakeup: Wakeup { lane.wakeup(of: index) }

    /// The thread's body.
    func run() {
        var backoff = Backoff(first: configuration.reconnectDelay, ceiling: configuration.maximumReconnectDelay)
        var lastMessage: String?
        while !lane.isDraining {
            do throws(PostgresError) {
                let connection = try Connection.open(
                    options, timeout: configuration.connectTimeout, wakeup: wakeup, logger: logger,
                    isStopped: { lane.isDraining })
                backoff.reset()
                lastMessage = nil
                lane.connectionOpened(index)
                logger.debug("connected to PostgreSQL")
                serve(Session(connection: connection, options: options, wakeup: wakeup))
            } catch {
                if case .cancelled = error { break }
                let message = Self.message(error)
                if message != lastMessage { logger.warning("cannot connect to PostgreSQL: \(message)") }
                lastMessage = message
                lane.attemptFailed(message: message)
            }
            pause(until: .now + backoff.next())
        }
    }

    /// Serves batches until the connection is lost or the lane is shut down.
    private func serve(_ session: Session) {
        while true {
            switch lane.take(for: index) {
            case .batch(let entries):
                guard run(entries, on: session) else { return }
            case .idle:
                do throws(ConnectionLost) {
                    let probeAt = ContinuousClock.now + configuration.probeInterval
                    if try session.waitIdle(until: probeAt).isEmpty, probeAt <= .now { try probe(session) }
                } catch {
                    return lost(error, retry: [])
                }
            case .finished:
                return lane.connectionLost(index, message: "shut down", retry: [])
            }
        }
    }

    /// An empty exchange: notices a connection that was cut without a word.
    private func probe(_ session: Session) throws(ConnectionLost) {
        if let lost = session.run([], together: true, answerBy: .now + configuration.probeTimeout).lost { throw lost }
    }

    /// Runs one batch to its end and delivers the outcomes; `false` when the connection was lost.
    private func run(_ entries: [BatchQueue<Job>.Entry], on session: Session) -> Bool {
        var plan = BatchPlan(lockOrders: entries.map { $0.element.lockOrder })
        while let round = plan.nextRound() {
            let (indices, together) = round.operations
            let jobs = indices.map { entries[$0].element }
            let members =
                together ? BatchPlan.units(jobs.map { ($0.type, $0.lockOrder) }) : jobs.indices.map { [$0] }
            let units = members.map { members in jobs[members[0]].unit(of: members.map { jobs[$0] }) }
            let (exchange, lost) = session.run(
                units, together: together,
                isAbandoned: {
                    let now = ContinuousClock.now
                    return lane.isClosed || jobs.allSatisfy { $0.abandonment(now: now) != nil }
                }, idle: lane.sweep)
            var settled: [Int] = []
            for (unit, result) in exchange.results.enumerated() {
                let members = members[unit].map { indices[$0] }
                settled += settle(result, units[unit], members, together: together, entries, &plan)
            }
            if together { plan.togetherFinished(settled: settled) }
            lane.finish(settled.map { entries[$0] })
            if let lost {
                self.lost(lost, unsettled: plan.unsettled.map { entries[$0] })
                return false
            }
        }
        return true
    }

    /// Makes outcomes of a unit's results; returns the operations that need no further run in this batch.
    private func settle(
        _ result: ExchangeResult, _ unit: Unit, _ members: [Int], together: Bool, _ entries: [BatchQueue<Job>.Entry],
        _ plan: inout BatchPlan
    ) -> [Int] {
        switch result {
        case .committed(let rows):
            unit.decode(rows)
            if !together { for index in members { _ = plan.aloneFinished(index, error: nil) } }
            return members
        case .failed(let error):
            let now = ContinuousClock.now
            var settled: [Int] = []
            for index in members {
                let job = entries[index].element
                // Undone. One whom nobody waits for is not run again; PostgreSQL's 57014 was our own request to cancel.
                if let reason = lane.isClosed ? .shutdown : job.abandonment(now: now) {
                    job.fail(reason)
                    if !together { plan.drop(index) }
                    settled.append(index)
                } else if !together, plan.aloneFinished(index, error: error) == .settled {
                    job.fail(error)
                    settled.append(index)
                }
            }
            return settled
        case .pending: return []
        }
    }

    /// The connection was lost in a batch: reads may run once more, for writes it is unknown whether they were committed.
    private func lost(_ lost: ConnectionLost, unsettled: [BatchQueue<Job>.Entry]) {
        switch lane.role {
        case .reads: self.lost(lost, retry: unsettled)
        case .writes:
            for entry in unsettled {
                entry.element.fail(.unavailable(message: lost.message, outcomeUnknown: true))
            }
            self.lost(lost, retry: [])
            lane.finish(unsettled)
        }
    }

    private func lost(_ lost: ConnectionLost, retry: [BatchQueue<Job>.Entry]) {
        logger.warning("lost a connection to PostgreSQL: \(lost.message)")
        lane.connectionLost(index, message: lost.message, retry: retry)
    }

    /// Waits, looking after the queue meanwhile: reads that wait for a connection have deadlines.
    private func pause(until end: ContinuousClock.Instant) {
        while !lane.isDraining, ContinuousClock.now < end {
            _ = wakeup.wait(until: min(end, .now + .milliseconds(100)))
            lane.sweep()
        }
    }

    private static func message(_ error: PostgresError) -> String {
        switch error {
        case .unavailable(let message, _), .incompatible(let message), .protocolViolation(let message): message
        default: error.description
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
