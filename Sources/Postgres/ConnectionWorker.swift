import Logging

/// What one connection's thread does: connect, serve batches, connect again; until the lane is shut down.
struct ConnectionWorker: Sendable {
    let lane: Lane
    /// Its place in the lane.
    let index: Int
    let options: ConnectionOptions
    let configuration: Database.Configuration
    let primary: Primary
    /// What keeps connections from being made, for the log.
    let connecting: Conditions
    let logger: Logger

    /// A connection that lasted that long is not one that fails each time.
    private static let steady = Duration.milliseconds(500)

    private var wakeup: Wakeup { lane.wakeup(of: index) }

    /// The thread's body.
    func run() {
        var backoff = Backoff(first: configuration.reconnectDelay, ceiling: configuration.maximumReconnectDelay)
        while !lane.isDraining {
            let began = ContinuousClock.now
            var made: Int? = lane.connectionsMade
            do throws(PostgresError) {
                let connection = try Connection.open(
                    options, timeout: configuration.connectTimeout, hostTimeout: configuration.hostTimeout, first: primary.host,
                    wakeup: wakeup, logger: logger, isStopped: { lane.isDraining })
                let session = try Session(connection: connection, options: options, wakeup: wakeup, primary: primary)
                backoff.reset()
                connecting.succeeded()
                lane.connectionOpened(index)
                logger.debug("connected to PostgreSQL")
                serve(session)
                // One that has served is replaced at once.
                if ContinuousClock.now - began > Self.steady { continue }
                made = nil
            } catch {
                if case .cancelled = error { break }
                let message = Self.message(error)
                connecting.failed("connect", message)
                lane.attemptFailed(message: message)
            }
            pause(until: .now + backoff.next(), unlessMadeSince: made)
        }
    }

    /// Serves batches until the connection is lost or the lane is shut down.
    private func serve(_ session: Session) {
        // The batch whose answers arrive next, and one that was sent behind it.
        var batches: [Batch] = []
        do throws(ConnectionLost) {
            while true {
                if batches.isEmpty { try session.checkStanding() }
                switch batches.isEmpty ? lane.take(for: index) : .idle {
                case .batch(let entries): try send(entries, &batches, on: session)
                case .trial(let entries): try runTrial(entries, &batches, on: session)
                case .finished: return lane.connectionLost(index, message: "shut down", retry: [])
                case .idle where batches.isEmpty: try waitIdle(session)
                case .idle: try advance(&batches, on: session)
                }
            }
        } catch {
            lost(error, batches)
        }
    }

    private func waitIdle(_ session: Session) throws(ConnectionLost) {
        let probeAt = ContinuousClock.now + configuration.probeInterval
        guard let trialAt = lane.nextTrial, trialAt < probeAt else {
            if try session.waitIdle(until: probeAt).isEmpty, probeAt <= .now { try probe(session) }
            return
        }
        _ = try session.waitIdle(until: trialAt)
        lane.sweep()
    }

    /// Tries operations whose locks another transaction held, each in a transaction of its own.
    private func runTrial(
        _ entries: [BatchQueue<Job>.Entry], _ batches: inout [Batch], on session: Session
    ) throws(ConnectionLost) {
        let batch = Batch(entries, lockWait: .trial, statementTimeout: statementTimeout)
        batches.append(batch)
        var locks = batch.locks
        while batch.prepareRound() {
            try send(batch, on: session)
            try receive(batch, upTo: .complete, on: session)
            locks.subtract(try finish(batch))
        }
        batches.removeFirst()
        lane.locksFreed(locks)
    }

    /// An empty exchange: notices a connection that was cut without a word.
    private func probe(_ session: Session) throws(ConnectionLost) {
        var exchange = Exchange(units: 0)
        try session.send([], together: true, &exchange)
        try session.receive(&exchange, answerBy: .now + configuration.probeTimeout)
    }

    private func send(
        _ entries: [BatchQueue<Job>.Entry], _ batches: inout [Batch], on session: Session
    ) throws(ConnectionLost) {
        let batch = Batch(entries, lockWait: lane.hasHeldLocks ? .cautious : .session, statementTimeout: statementTimeout)
        batches.append(batch)
        if batch.prepareRound() { try send(batch, on: session) }
    }

    private func send(_ batch: Batch, on session: Session) throws(ConnectionLost) {
        let announces = looksAhead && batch.operationCount >= Self.announcedOperations
        try session.send(
            batch.units, together: batch.isTogether, isRepetition: batch.isRepetition, lockWaits: batch.lockWaits,
            announcesCommit: announces, &batch.exchange)
    }

    private var statementTimeout: Duration? {
        lane.role == .lists ? configuration.listStatementTimeout : configuration.statementTimeout
    }

    /// Whether batches are sent behind a batch on its way. PostgreSQL works on a write for as long as this thread does and then waits for
    /// the disk, but on a read for a fraction of that: there it is better to deliver first (a tenth more loads a second).
    private var looksAhead: Bool { lane.role == .writes }

    /// From so many operations on PostgreSQL is asked to answer before it commits: the thread makes the next batch meanwhile.
    private static let announcedOperations = 8

    /// Receives the answers of the first batch, and makes and delivers its outcomes.
    private func advance(_ batches: inout [Batch], on session: Session) throws(ConnectionLost) {
        let batch = batches[0]
        if looksAhead { try sendNext(behind: batch, &batches, on: session) }
        try receive(batch, upTo: .complete, on: session)
        if !batch.exchange.isCommitted {
            // It is run again on a connection that has nothing else in flight.
            for other in batches.dropFirst() { try receive(other, upTo: .complete, on: session) }
        }
        try finish(batch)
        while batch.prepareRound() {
            try send(batch, on: session)
            try receive(batch, upTo: .complete, on: session)
            try finish(batch)
        }
        batches.removeFirst()
    }

    /// Sends the next batch as soon as nothing of this one can come again, so that PostgreSQL never waits for this thread.
    private func sendNext(behind batch: Batch, _ batches: inout [Batch], on session: Session) throws(ConnectionLost) {
        try receive(batch, upTo: .answered, on: session)
        guard batch.isAnsweredForGood, lane.nextTrial == nil, session.isUsable, case .batch(let entries) = lane.take(for: index) else {
            return
        }
        try send(entries, &batches, on: session)
    }

    private func receive(_ batch: Batch, upTo stage: Exchange.Stage, on session: Session) throws(ConnectionLost) {
        try session.receive(
            &batch.exchange, upTo: stage, isAbandoned: { lane.isClosed || batch.isAbandoned() }, isClosed: { lane.isClosed },
            idle: lane.sweep)
        // What an old primary confirms may be taken back, and what it reads has been.
        if stage == .complete { try session.checkPrimary() }
    }

    /// Delivers what has its outcome; returns the locks that another transaction holds.
    @discardableResult
    private func finish(_ batch: Batch) throws(ConnectionLost) -> Set<UInt64> {
        settle(batch)
        if let error = batch.serverError { throw ConnectionLost(message: error.description, isOutcomeUnknown: false) }
        return Set(batch.aside.compactMap(\.lock))
    }

    private func settle(_ batch: Batch) {
        lane.finish(batch.settle(isClosed: lane.isClosed))
        lane.putAside(batch.aside)
        if !batch.aside.isEmpty { lane.conditions.failed("lock", "other transactions hold what operations change") }
        for error in batch.failures { lane.conditions.failed(error) }
        if batch.hasCommitted { lane.conditions.succeeded() }
    }

    /// The connection was lost in these batches: what was confirmed stands; reads may run once more, for writes it is unknown whether they
    /// were committed.
    private func lost(_ lost: ConnectionLost, _ batches: [Batch]) {
        if !lost.isSuperseded { for batch in batches { settle(batch) } }
        let unsettled = batches.flatMap { $0.unsettled }
        switch lane.role {
        case .reads, .lists: self.lost(lost, retry: unsettled)
        case .writes, .background:
            for entry in unsettled {
                entry.element.fail(.unavailable(message: lost.message, outcomeUnknown: lost.isOutcomeUnknown))
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
    ///
    /// - Parameter made: The pause ends early when another connection was made since this number. `nil`: it does not, as after a session that
    ///   was lost as soon as it was there.
    private func pause(until end: ContinuousClock.Instant, unlessMadeSince made: Int?) {
        while !lane.isDraining, ContinuousClock.now < end, made.map({ $0 == lane.connectionsMade }) ?? true {
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
