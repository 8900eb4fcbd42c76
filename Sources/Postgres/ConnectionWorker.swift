import CLibPQ
import Glibc
import Logging
import Resources

/// What one connection's thread does: connect, serve batches, reconnect, until the connection group is shut down.
struct ConnectionWorker: Sendable {
    let group: ConnectionGroup
    /// The connection's place in the group.
    let index: Int
    let options: ConnectionOptions
    let configuration: Database.Configuration
    let primary: Primary
    /// Logs what keeps connections from being made.
    let connecting: Conditions
    let logger: Logger

    /// After a session that lasted this long the thread reconnects without a pause.
    private static let steady = Duration.milliseconds(500)

    private var wakeup: Wakeup { group.wakeup(of: index) }

    /// The thread's body.
    func run() {
        var backoff = Backoff(first: configuration.reconnectDelay, ceiling: configuration.maximumReconnectDelay)
        while !group.isDraining {
            let began = Instant.now
            var made: Int? = group.connectionsMade
            do throws(PostgresError) {
                let connection = try Connection.open(
                    options, timeout: configuration.connectTimeout, hostTimeout: configuration.hostTimeout, first: primary.host,
                    wakeup: wakeup, logger: logger, isStopped: { group.isDraining })
                let session = try Session(connection: connection, options: options, wakeup: wakeup, primary: primary)
                backoff.reset()
                connecting.succeeded()
                group.connectionOpened(index)
                logger.debug("connected to PostgreSQL")
                serve(session)
                if Instant.now - began > Self.steady { continue }
                made = nil
            } catch {
                if case .cancelled = error { break }
                let message = Self.message(error)
                connecting.failed("connect", message)
                group.attemptFailed(message: message)
            }
            pause(until: .now + backoff.next(), unlessMadeSince: made)
        }
    }

    /// Serves batches until the connection is lost or the connection group is shut down.
    private func serve(_ session: Session) {
        // The batch whose results arrive next, and one that was sent behind it.
        var batches: [Batch] = []
        do throws(ConnectionLost) {
            while true {
                if batches.isEmpty { try session.checkRole() }
                switch batches.isEmpty ? group.take(for: index) : .idle {
                case .batch(let entries): try send(entries, &batches, on: session)
                case .trial(let entries): try runTrial(entries, &batches, on: session)
                case .finished: return group.connectionLost(index, message: "shut down", retry: [])
                case .idle where batches.isEmpty: try waitIdle(session)
                case .idle: try advance(&batches, on: session)
                }
            }
        } catch {
            lost(error, batches)
        }
    }

    private func waitIdle(_ session: Session) throws(ConnectionLost) {
        let probeAt = Instant.now + configuration.probeInterval
        guard let trialAt = group.nextTrial, trialAt < probeAt else {
            if try session.waitIdle(until: probeAt).isEmpty, probeAt <= .now { try probe(session) }
            return
        }
        _ = try session.waitIdle(until: trialAt)
        group.sweep()
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
        group.locksFreed(locks)
    }

    /// Detects a connection that was cut without notice by an empty round trip.
    private func probe(_ session: Session) throws(ConnectionLost) {
        var results = PipelineResults(units: 0)
        try session.send([], together: true, &results)
        try session.receive(&results, answerBy: .now + configuration.probeTimeout)
    }

    private func send(
        _ entries: [BatchQueue<Job>.Entry], _ batches: inout [Batch], on session: Session
    ) throws(ConnectionLost) {
        let batch = Batch(entries, lockWait: group.hasHeldLocks ? .cautious : .session, statementTimeout: statementTimeout)
        batches.append(batch)
        if batch.prepareRound() { try send(batch, on: session) }
    }

    private func send(_ batch: Batch, on session: Session) throws(ConnectionLost) {
        let announces = looksAhead && batch.operationCount >= Self.announcedOperations
        try session.send(
            batch.units, together: batch.isTogether, isRepetition: batch.isRepetition, lockWaits: batch.lockWaits,
            announcesCommit: announces, &batch.results)
    }

    private var statementTimeout: Duration? {
        group.role == .lists ? configuration.listStatementTimeout : configuration.statementTimeout
    }

    /// Whether the next batch is sent behind the one in flight. For a write PostgreSQL works as long as this thread does and then waits for
    /// the disk, but for a read only a fraction of that: delivering first gives a tenth more loads a second.
    private var looksAhead: Bool { group.role == .writes }

    /// From this many operations on, PostgreSQL is asked to send the results before it commits, so that the thread makes the next batch
    /// meanwhile.
    private static let announcedOperations = 8

    /// Receives the results of the first batch, and makes and delivers its outcomes.
    private func advance(_ batches: inout [Batch], on session: Session) throws(ConnectionLost) {
        let batch = batches[0]
        if looksAhead { try sendNext(behind: batch, &batches, on: session) }
        try receive(batch, upTo: .complete, on: session)
        if !batch.results.isCommitted {
            // The batch runs again, on a connection that has nothing else in flight.
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

    /// Sends the next batch as soon as no operation of this one can run again, so that PostgreSQL never waits for this thread.
    private func sendNext(behind batch: Batch, _ batches: inout [Batch], on session: Session) throws(ConnectionLost) {
        try receive(batch, upTo: .answered, on: session)
        guard batch.isAnsweredForGood, group.nextTrial == nil, session.isUsable, case .batch(let entries) = group.take(for: index) else {
            return
        }
        try send(entries, &batches, on: session)
    }

    private func receive(_ batch: Batch, upTo stage: PipelineResults.Stage, on session: Session) throws(ConnectionLost) {
        try session.receive(
            &batch.results, upTo: stage, isAbandoned: { group.isClosed || batch.isAbandoned() }, isClosed: { group.isClosed },
            idle: group.sweep)
        // What an old primary commits may be lost, and what it returns may be outdated.
        if stage == .complete { try session.checkPrimary() }
    }

    /// Delivers the outcomes; returns the locks that another transaction holds.
    @discardableResult
    private func finish(_ batch: Batch) throws(ConnectionLost) -> Set<UInt64> {
        settle(batch)
        if let error = batch.serverError { throw ConnectionLost(message: error.description, isOutcomeUnknown: false) }
        return Set(batch.aside.compactMap(\.lock))
    }

    private func settle(_ batch: Batch) {
        group.finish(batch.settle(isClosed: group.isClosed))
        group.putAside(batch.aside)
        if !batch.aside.isEmpty { group.conditions.failed("lock", "other transactions hold locks that operations need") }
        for error in batch.failures { group.conditions.failed(error) }
        if batch.hasCommitted { group.conditions.succeeded() }
    }

    /// The connection was lost with these batches in flight. Confirmed results are delivered; other reads may run once more, and for other
    /// writes it is unknown whether they were committed.
    private func lost(_ lost: ConnectionLost, _ batches: [Batch]) {
        if !lost.isSuperseded { for batch in batches { settle(batch) } }
        let unsettled = batches.flatMap { $0.unsettled }
        switch group.role {
        case .reads, .lists: self.lost(lost, retry: unsettled)
        case .writes, .background:
            for entry in unsettled {
                entry.element.work.fail(.unavailable(message: lost.message, outcomeUnknown: lost.isOutcomeUnknown))
            }
            self.lost(lost, retry: [])
            group.finish(unsettled)
        }
    }

    private func lost(_ lost: ConnectionLost, retry: [BatchQueue<Job>.Entry]) {
        logger.warning("lost a connection to PostgreSQL: \(lost.message)")
        group.connectionLost(index, message: lost.message, retry: retry)
    }

    /// Pauses, sweeping the queue meanwhile: reads that wait for a connection have deadlines.
    ///
    /// - Parameter made: The pause ends early when more connections than this number have been made. `nil`: it does not, as after a session
    ///   that was lost as soon as it was there.
    private func pause(until end: Instant, unlessMadeSince made: Int?) {
        while !group.isDraining, Instant.now < end, made.map({ $0 == group.connectionsMade }) ?? true {
            _ = wakeup.wait(until: min(end, .now + .milliseconds(100)))
            group.sweep()
        }
    }

    private static func message(_ error: PostgresError) -> String {
        switch error {
        case .unavailable(let message, _), .incompatible(let message), .protocolViolation(let message): message
        default: error.description
        }
    }
}

/// Wakes a thread that waits in poll(2), from any other thread: an eventfd(2).
final class Wakeup: Signal {
    let descriptor: CInt

    init() throws(PostgresError) {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else {
            throw .unavailable(message: "eventfd: \(String(cString: strerror(errno)))", outcomeUnknown: false)
        }
    }

    deinit { close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        // Fails only when the counter is full, and then the thread wakes anyway.
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Clears the signals that have arrived.
    func consume() {
        var counter: UInt64 = 0
        _ = read(descriptor, &counter, MemoryLayout<UInt64>.size)
    }

    /// What ended a wait.
    struct Events: OptionSet {
        let rawValue: Int
        static let readable = Events(rawValue: 1)
        static let writable = Events(rawValue: 2)
        static let woken = Events(rawValue: 4)
    }

    /// Waits for a signal, for the socket, or until `deadline`. A broken socket counts as readable: reading from it returns the error.
    func wait(socket: CInt = -1, for interest: Events = [], until deadline: Instant?) -> Events {
        var events: CInt = 0
        if interest.contains(.readable) { events |= CInt(POLLIN) }
        if interest.contains(.writable) { events |= CInt(POLLOUT) }
        var descriptors = (
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: socket, events: Int16(events), revents: 0)
        )
        let ready = withUnsafeMutableBytes(of: &descriptors) { bytes in
            poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 2, Self.milliseconds(until: deadline))
        }
        guard ready > 0 else { return [] }
        var result: Events = []
        if descriptors.0.revents != 0 {
            consume()
            result.insert(.woken)
        }
        let socketEvents = CInt(descriptors.1.revents)
        if socketEvents & CInt(POLLOUT) != 0 { result.insert(.writable) }
        if socketEvents & ~CInt(POLLOUT) != 0 { result.insert(.readable) }
        return result
    }

    /// Rounded up, so that a wait does not end just before its deadline; -1 waits for ever.
    private static func milliseconds(until deadline: Instant?) -> CInt {
        guard let deadline else { return -1 }
        let (seconds, attoseconds) = (deadline - .now).components
        if seconds < 0 || attoseconds < 0 { return 0 }
        return CInt(clamping: min(seconds, 3600) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
