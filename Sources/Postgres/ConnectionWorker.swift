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
        var plan = BatchPlan(lockOrders: entries.map(\.element.lockOrder))
        while let round = plan.nextRound() {
            let (indices, together) = round.operations
            let jobs = indices.map { entries[$0].element }
            let (exchange, lost) = session.run(
                jobs, together: together,
                isAbandoned: {
                    let now = ContinuousClock.now
                    return lane.isClosed || jobs.allSatisfy { $0.abandonment(now: now) != nil }
                }, idle: lane.sweep)
            let settled = settle(exchange, indices, together: together, entries, &plan)
            lane.deliver(settled.map { entries[$0] })
            if let lost {
                self.lost(lost, unsettled: plan.unsettled.map { entries[$0] })
                return false
            }
        }
        return true
    }

    /// Makes outcomes of an exchange's results; returns the operations that have theirs.
    private func settle(
        _ exchange: Exchange, _ indices: [Int], together: Bool, _ entries: [BatchQueue<Job>.Entry], _ plan: inout BatchPlan
    ) -> [Int] {
        let now = ContinuousClock.now
        var settled: [Int] = []
        for (index, result) in zip(indices, exchange.results) {
            let job = entries[index].element
            switch result {
            case .committed(let rows):
                job.decode(rows)
                if !together { _ = plan.aloneFinished(index, error: nil) }
                settled.append(index)
            case .failed(let error):
                // Undone. One whom nobody waits for is not run again; PostgreSQL's 57014 was our own request to cancel.
                if let reason = lane.isClosed ? .shutdown : job.abandonment(now: now) {
                    job.fail(reason)
                    if !together { plan.drop(index) }
                    settled.append(index)
                } else if !together, plan.aloneFinished(index, error: error) == .settled {
                    job.fail(error)
                    settled.append(index)
                }
            case .pending:
                continue
            }
        }
        if together { plan.togetherFinished(settled: settled) }
        return settled
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
            lane.deliver(unsettled)
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
