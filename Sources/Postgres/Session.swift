import CLibPQ
import Logging
import Resources

/// One connection in use: sends batches and waits for their results. Confined to the connection's thread.
final class Session {
    /// How long the server may take to answer after a cancel request. A stalled disk takes its time, and neither a request nor another
    /// connection makes it faster; `tcp_user_timeout` detects a connection that was cut.
    private static let cancelGrace = Duration.seconds(30)
    /// The same after the connection group was closed.
    private static let closeGrace = Duration.seconds(2)
    /// How often a waiting thread sweeps the connection group's queue and repeats a cancel request that arrived between two statements.
    private static let tick = Duration.milliseconds(100)

    private let connection: Connection
    private let wakeup: Wakeup
    private let options: ConnectionOptions
    private let primary: Primary
    /// The generation of `KnownPrimary` in which the session was made.
    private let generation: Int
    private var prepared = PreparedStatements()
    private var cancelRequest: CancelRequest?
    // Scratch space for libpq's arrays, kept from call to call.
    private var values: [UnsafePointer<CChar>?] = []
    private var lengths: [CInt] = []
    private var formats: [CInt] = []
    private var types: [Oid] = []

    /// Throws when the server is an old primary.
    init(
        connection: consuming Connection, options: ConnectionOptions, wakeup: Wakeup, primary: Primary
    ) throws(PostgresError) {
        generation = try primary.admit(connection.identity, host: connection.host)
        self.primary = primary
        self.connection = connection
        self.options = options
        self.wakeup = wakeup
    }

    deinit { primary.closed(generation: generation) }

    /// Throws when the session must not be used any more: the server takes no writes now, or is not the primary.
    func checkRole() throws(ConnectionLost) {
        try checkPrimary()
        if let reason = connection.readOnlyReason { throw ConnectionLost(message: reason, isOutcomeUnknown: false) }
    }

    /// Whether `checkRole` would pass.
    var isUsable: Bool { primary.generation == generation && connection.readOnlyReason == nil }

    func checkPrimary() throws(ConnectionLost) {
        guard primary.generation != generation else { return }
        throw ConnectionLost(message: "another server is the primary now", isSuperseded: true)
    }

    /// Waits for work without a batch in flight. Throws when the connection was lost meanwhile.
    func waitIdle(until deadline: Instant) throws(ConnectionLost) -> Wakeup.Events {
        let events = wakeup.wait(socket: connection.socket, for: .readable, until: deadline)
        if events.contains(.readable) {
            // Takes in notices and parameter changes; the end of the stream, or an error such as 57P01, ends the connection.
            guard PQconsumeInput(connection.raw) == 1 else { throw lost }
            while PQisBusy(connection.raw) == 0, let result = PQgetResult(connection.raw) {
                defer { PQclear(result) }
                guard PQresultStatus(result) != PGRES_FATAL_ERROR else { throw lost }
            }
            if connection.isBroken { throw lost }
        }
        return events
    }

    private var lost: ConnectionLost { ConnectionLost(message: options.redacted(connection.errorMessage)) }

    // MARK: Sending

    /// Sends `units` in one transaction, or each in its own. Results of earlier batches may still be outstanding.
    ///
    /// - Parameters:
    ///   - isRepetition: `Pipeline.isRepetition`.
    ///   - lockWaits: Per unit, the transaction's `lock_timeout` in milliseconds; `nil` leaves the session's. In one transaction the first
    ///     unit's applies.
    ///   - announcesCommit: Whether PostgreSQL sends the results before it commits, instead of with the commit's confirmation.
    ///   - results: Made for as many units. Passed to `receive` afterwards, behind those of earlier batches.
    func send(
        _ units: [any TransactionUnit], together: Bool, isRepetition: Bool = false, lockWaits: [Int?] = [], announcesCommit: Bool = false,
        _ results: inout PipelineResults
    ) throws(ConnectionLost) {
        prepared.beginRound()
        var pipeline = Pipeline(isRepetition: isRepetition)
        var ends: [Int] = []
        ends.reserveCapacity(units.count)
        for (index, unit) in units.enumerated() {
            let start = pipeline.entries.count
            unit.enqueue(into: &pipeline)
            // The protocol counts parameters in 16 bits.
            if pipeline.entries[start...].contains(where: { $0.parameters.count > 65535 }) {
                results.refuse(index, .protocolViolation("more than 65535 parameters in a statement"))
                pipeline.removeAll(after: start)
            }
            ends.append(pipeline.entries.count)
        }
        // Each statement is prepared in a transaction of its own before the batch, so that a refusal undoes nothing else.
        for entry in pipeline.entries { try prepare(entry.statement, &results) }
        var start = 0
        for (unit, end) in ends.enumerated() {
            if unit < lockWaits.count, let wait = lockWaits[unit], !together || unit == 0 { try limitLockWait(wait, &results) }
            for entry in pipeline.entries[start..<end] {
                try execute(entry)
                results.sentStatement(entry.statement, unit: unit)
            }
            start = end
            if !together { try sync(unit..<(unit + 1), &results) }
        }
        // "Sends a request for the server to flush its output buffer" (manual, section 34.5.3), which the server otherwise does at a sync.
        if announcesCommit, PQsendFlushRequest(connection.raw) != 1 { throw lost }
        if together || units.isEmpty { try sync(0..<units.count, &results) }
        for name in prepared.evict() { try deallocate(name, &results) }
    }

    /// Sets the lock timeout for the rest of the transaction. (`SET LOCAL` would warn: it requires an explicit transaction.)
    private func limitLockWait(_ milliseconds: Int, _ results: inout PipelineResults) throws(ConnectionLost) {
        let sent = PQsendQueryParams(
            connection.raw, "SELECT pg_catalog.set_config('lock_timeout', '\(milliseconds)', true)", 0, nil, nil, nil, nil, 1)
        guard sent == 1 else { throw lost }
        results.sentSetting()
    }

    /// libpq can close prepared statements only by SQL (before version 17).
    private func deallocate(_ name: ContiguousArray<CChar>, _ results: inout PipelineResults) throws(ConnectionLost) {
        let text = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self).replacing("\"", with: "\"\"")
        guard PQsendQueryParams(connection.raw, "DEALLOCATE \"\(text)\"", 0, nil, nil, nil, nil, 1) == 1,
            PQpipelineSync(connection.raw) == 1
        else { throw lost }
        results.sentHousekeeping()
    }

    private func sync(_ units: Range<Int>, _ results: inout PipelineResults) throws(ConnectionLost) {
        guard PQpipelineSync(connection.raw) == 1 else { throw lost }
        results.sentSync(units: units)
    }

    private func prepare(_ statement: Statement, _ results: inout PipelineResults) throws(ConnectionLost) {
        guard let name = prepared.nameToPrepare(statement) else { return }
        types.removeAll(keepingCapacity: true)
        for type in statement.parameterTypes { types.append(type.rawValue) }
        let sent = name.withUnsafeBufferPointer {
            PQsendPrepare(connection.raw, $0.baseAddress, statement.sql, CInt(types.count), types)
        }
        guard sent == 1, PQpipelineSync(connection.raw) == 1 else { throw lost }
        results.sentPrepare(statement)
    }

    private func execute(_ entry: Pipeline.Entry) throws(ConnectionLost) {
        let parameters = entry.parameters
        values.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        while formats.count < parameters.count { formats.append(1) }
        let sent = parameters.bytes.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { bytes in
                var start = 0
                // An empty value still needs an address, as null would mean NULL; with a length of 0 it is not read.
                let base = bytes.baseAddress ?? UnsafePointer(bitPattern: 1)
                for end in parameters.ends {
                    if end < 0 {
                        values.append(nil)
                        lengths.append(0)
                    } else {
                        values.append(base.map { $0 + start })
                        lengths.append(CInt(clamping: end - start))
                        start = end
                    }
                }
                guard let name = prepared.serverName(entry.statement) else { return CInt(0) }
                return name.withUnsafeBufferPointer {
                    PQsendQueryPrepared(
                        connection.raw, $0.baseAddress, CInt(values.count), values, lengths, formats, 1)
                }
            }
        }
        guard sent == 1 else { throw lost }
    }

    // MARK: Receiving

    /// Waits for the results of what was sent. If the connection is lost meanwhile, `results` has what was settled before.
    ///
    /// - Parameters:
    ///   - isAbandoned: Whether the callers of all operations have given up; called when the thread is woken and now and then.
    ///   - isClosed: Whether the connection group was closed.
    ///   - idle: Called now and then while the thread waits.
    func receive(
        _ results: inout PipelineResults, upTo stage: PipelineResults.Stage = .complete, answerBy: Instant? = nil,
        isAbandoned: () -> Bool = { false }, isClosed: () -> Bool = { false }, idle: () -> Void = {}
    ) throws(ConnectionLost) {
        do throws(ConnectionLost) {
            try wait(for: stage, &results, answerBy, isAbandoned, isClosed, idle)
        } catch {
            throw ConnectionLost(
                message: options.redacted(error.message), isOutcomeUnknown: error.isOutcomeUnknown, isSuperseded: error.isSuperseded)
        }
        if results.isComplete { for name in results.invalidated { prepared.invalidate(name) } }
    }

    private func wait(
        for stage: PipelineResults.Stage, _ results: inout PipelineResults, _ deadline: Instant?, _ isAbandoned: () -> Bool,
        _ isClosed: () -> Bool, _ idle: () -> Void
    ) throws(ConnectionLost) {
        var answerBy = deadline
        var wasClosed = false
        while true {
            while !results.hasReached(stage), PQisBusy(connection.raw) == 0 {
                let result = PQgetResult(connection.raw)
                if let warning = connection.takeCommitWarning() { results.warned(warning) }
                try results.received(result)
                if connection.isBroken { throw lost }
            }
            if let request = cancelRequest, request.isDone { cancelRequest = nil }
            // A cancel request that is still on its way would hit the next batch: wait for its end.
            if results.hasReached(stage), cancelRequest == nil { return }
            let flush = PQflush(connection.raw)
            let tick = Instant.now + Self.tick
            // "If it is necessary to wait, wait for read- and write-ready, and read when it is read-ready": both directions at once,
            // or client and server stall, each waiting for the other to read.
            let events = wakeup.wait(
                socket: connection.socket, for: flush == 1 ? [.readable, .writable] : .readable, until: tick)
            if events.contains(.readable) || flush < 0 {
                guard PQconsumeInput(connection.raw) == 1 else { throw lost }
            }
            if events.contains(.woken) || events.isEmpty {
                try checkPrimary()
                // A commit in progress cannot be cancelled: a request would only end its wait for the standbys, or hit the batch that was
                // sent behind it.
                if cancelRequest == nil, !results.hasReached(.answered), isAbandoned() {
                    cancelRequest = CancelRequest(connection, wakeup: wakeup)
                    answerBy = answerBy ?? Instant.now + Self.cancelGrace
                }
                if !wasClosed, isClosed() {
                    wasClosed = true
                    answerBy = min(answerBy ?? .now + Self.closeGrace, .now + Self.closeGrace)
                }
                if let answerBy, answerBy <= .now { throw ConnectionLost(message: "the server does not answer") }
                idle()
            }
        }
    }
}

/// Which statements a connection has prepared, under which names. Pure.
///
/// A prepared statement outlives its transaction, even if that is rolled back; it is lost with the connection.
struct PreparedStatements {
    private struct Entry {
        /// The name on the server, NUL-terminated, as libpq wants it.
        var serverName: ContiguousArray<CChar>
        var generation: Int
        var isPrepared: Bool
        /// The round of its last use.
        var round: Int
    }

    /// How many are kept; the least recently used are evicted first.
    private let capacity: Int
    private var entries: [String: Entry] = [:]
    private var round = 0

    init(capacity: Int = 256) { self.capacity = capacity }

    /// Begins a round; statements used in it are not evicted in it.
    mutating func beginRound() { round += 1 }

    /// The names on the server of the statements to deallocate now.
    mutating func evict() -> [ContiguousArray<CChar>] {
        var names: [ContiguousArray<CChar>] = []
        while entries.count > capacity, let (name, oldest) = entries.min(by: { $0.value.round < $1.value.round }), oldest.round < round {
            entries[name] = nil
            if oldest.isPrepared { names.append(oldest.serverName) }
        }
        return names
    }

    /// The name under which `statement` is to be prepared now; `nil` when it is prepared.
    mutating func nameToPrepare(_ statement: Statement) -> ContiguousArray<CChar>? {
        if let index = entries.index(forKey: statement.name) {
            entries.values[index].round = round
            if entries.values[index].isPrepared { return nil }
            entries.values[index].isPrepared = true
            return entries.values[index].serverName
        }
        let name = ContiguousArray(statement.name.utf8CString)
        entries[statement.name] = Entry(serverName: name, generation: 0, isPrepared: true, round: round)
        return name
    }

    /// The name to execute under.
    func serverName(_ statement: Statement) -> ContiguousArray<CChar>? { entries[statement.name]?.serverName }

    /// Preparing failed, or the server no longer knows the statement in this form: the next use prepares it again, under a name that was
    /// not used before.
    mutating func invalidate(_ name: String) {
        guard var entry = entries[name] else { return }
        entry.generation += 1
        entry.isPrepared = false
        entry.serverName = ContiguousArray("\(name)_\(entry.generation)".utf8CString)
        entries[name] = entry
    }
}
