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
        // The batch whose answers arrive next, and one that was sent behind it.
        var batches: [Batch] = []
        do throws(ConnectionLost) {
            while true {
                switch batches.isEmpty ? lane.take(for: index) : .idle {
                case .batch(let entries): try send(entries, &batches, on: session)
                case .finished: return lane.connectionLost(index, message: "shut down", retry: [])
                case .idle where batches.isEmpty:
                    let probeAt = ContinuousClock.now + configuration.probeInterval
                    if try session.waitIdle(until: probeAt).isEmpty, probeAt <= .now { try probe(session) }
                case .idle: try advance(&batches, on: session)
                }
            }
        } catch {
            lost(error, batches)
        }
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
        let batch = Batch(entries)
        batches.append(batch)
        if batch.prepareRound() { try send(batch, on: session) }
    }

    private func send(_ batch: Batch, on session: Session) throws(ConnectionLost) {
        let announces = looksAhead && batch.operationCount >= Self.announcedOperations
        try session.send(
            batch.units, together: batch.isTogether, isRepetition: batch.isRepetition, announcesCommit: announces, &batch.exchange)
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
        finish(batch)
        while batch.prepareRound() {
            try send(batch, on: session)
            try receive(batch, upTo: .complete, on: session)
            finish(batch)
        }
        batches.removeFirst()
    }

    /// Sends the next batch as soon as nothing of this one can come again, so that PostgreSQL never waits for this thread.
    private func sendNext(behind batch: Batch, _ batches: inout [Batch], on session: Session) throws(ConnectionLost) {
        try receive(batch, upTo: .answered, on: session)
        guard batch.isAnsweredForGood, case .batch(let entries) = lane.take(for: index) else { return }
        try send(entries, &batches, on: session)
    }

    private func receive(_ batch: Batch, upTo stage: Exchange.Stage, on session: Session) throws(ConnectionLost) {
        try session.receive(
            &batch.exchange, upTo: stage, isAbandoned: { lane.isClosed || batch.isAbandoned }, idle: lane.sweep)
    }

    private func finish(_ batch: Batch) { lane.finish(batch.settle(isClosed: lane.isClosed)) }

    /// The connection was lost in these batches: what was confirmed stands; reads may run once more, for writes it is unknown whether they
    /// were committed.
    private func lost(_ lost: ConnectionLost, _ batches: [Batch]) {
        for batch in batches { finish(batch) }
        let unsettled = batches.flatMap { $0.unsettled }
        switch lane.role {
        case .reads: self.lost(lost, retry: unsettled)
        case .writes, .background:
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
