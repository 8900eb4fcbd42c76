import CLibPQ
import Logging

/// One connection at work: sends exchanges and waits for their answers. Confined to the connection's thread.
final class Session {
    /// How long the server may take to answer after it was asked to cancel.
    private static let cancelGrace = Duration.seconds(5)
    /// How often a waiting thread looks after the lane's queue and repeats a cancellation that came between two statements.
    private static let tick = Duration.milliseconds(100)

    private let connection: Connection
    private let wakeup: Wakeup
    private let options: ConnectionOptions
    private var prepared = PreparedStatements()
    private var cancelRequest: CancelRequest?
    // Scratch space for libpq's arrays, kept from call to call.
    private var values: [UnsafePointer<CChar>?] = []
    private var lengths: [CInt] = []
    private var formats: [CInt] = []
    private var types: [Oid] = []

    init(connection: consuming Connection, options: ConnectionOptions, wakeup: Wakeup) {
        self.connection = connection
        self.options = options
        self.wakeup = wakeup
    }

    /// Waits for work without a batch in flight. Throws when the connection was lost meanwhile.
    func waitIdle(until deadline: ContinuousClock.Instant) throws(ConnectionLost) -> Wakeup.Events {
        let events = wakeup.wait(socket: connection.socket, for: .readable, until: deadline)
        if events.contains(.readable) {
            // Notices and parameter changes are taken in; the end of the stream, or an error such as 57P01, ends the connection.
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

    /// Sends `units` in one transaction, or each in its own. What was sent before need not be answered yet.
    ///
    /// - Parameters:
    ///   - isRepetition: `Pipeline.isRepetition`.
    ///   - announcesCommit: PostgreSQL sends its answers before it commits, and not only with the commit's confirmation.
    ///   - exchange: Of as many units; `receive` takes it then, after those that were sent before.
    func send(
        _ units: [Unit], together: Bool, isRepetition: Bool = false, announcesCommit: Bool = false, _ exchange: inout Exchange
    ) throws(ConnectionLost) {
        var pipeline = Pipeline(isRepetition: isRepetition)
        var ends: [Int] = []
        ends.reserveCapacity(units.count)
        for (index, unit) in units.enumerated() {
            let start = pipeline.entries.count
            unit.enqueue(into: &pipeline)
            // The protocol counts parameters in 16 bits.
            if pipeline.entries[start...].contains(where: { $0.parameters.count > 65535 }) {
                exchange.refuse(index, .protocolViolation("more than 65535 parameters in a statement"))
                pipeline.removeAll(after: start)
            }
            ends.append(pipeline.entries.count)
        }
        // Each in a transaction of its own in front of the batch: one that is refused takes nothing else with it.
        for entry in pipeline.entries { try prepare(entry.statement, &exchange) }
        var start = 0
        for (unit, end) in ends.enumerated() {
            for entry in pipeline.entries[start..<end] {
                try execute(entry)
                exchange.sentStatement(entry.statement, unit: unit)
            }
            start = end
            if !together { try sync(unit..<(unit + 1), &exchange) }
        }
        // "Sends a request for the server to flush its output buffer" (manual, section 34.5.3), which it else does with a sync.
        if announcesCommit, PQsendFlushRequest(connection.raw) != 1 { throw lost }
        if together || units.isEmpty { try sync(0..<units.count, &exchange) }
    }

    private func sync(_ units: Range<Int>, _ exchange: inout Exchange) throws(ConnectionLost) {
        guard PQpipelineSync(connection.raw) == 1 else { throw lost }
        exchange.sentSync(units: units)
    }

    private func prepare(_ statement: Statement, _ exchange: inout Exchange) throws(ConnectionLost) {
        guard let name = prepared.nameToPrepare(statement) else { return }
        types.removeAll(keepingCapacity: true)
        for type in statement.parameterTypes { types.append(type.rawValue) }
        let sent = name.withUnsafeBufferPointer {
            PQsendPrepare(connection.raw, $0.baseAddress, statement.sql, CInt(types.count), types)
        }
        guard sent == 1, PQpipelineSync(connection.raw) == 1 else { throw lost }
        exchange.sentPrepare(statement)
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

    /// Waits for the answers to what was sent. When the connection was lost in it, `exchange` has what was settled before then.
    ///
    /// - Parameters:
    ///   - isAbandoned: Whether nobody waits for any of the operations any more; asked when the thread is woken and now and then.
    ///   - idle: Called now and then while the thread waits.
    func receive(
        _ exchange: inout Exchange, upTo stage: Exchange.Stage = .complete, answerBy: ContinuousClock.Instant? = nil,
        isAbandoned: () -> Bool = { false }, idle: () -> Void = {}
    ) throws(ConnectionLost) {
        do throws(ConnectionLost) {
            try wait(for: stage, &exchange, answerBy, isAbandoned, idle)
        } catch {
            throw ConnectionLost(message: options.redacted(error.message))
        }
        if exchange.isComplete { for name in exchange.invalidated { prepared.invalidate(name) } }
    }

    private func wait(
        for stage: Exchange.Stage, _ exchange: inout Exchange, _ deadline: ContinuousClock.Instant?, _ isAbandoned: () -> Bool,
        _ idle: () -> Void
    ) throws(ConnectionLost) {
        var answerBy = deadline
        while true {
            while !exchange.hasReached(stage), PQisBusy(connection.raw) == 0 {
                try exchange.received(PQgetResult(connection.raw))
                if connection.isBroken { throw lost }
            }
            if let request = cancelRequest, request.isDone { cancelRequest = nil }
            // A request to cancel that is still under way would hit the next batch: wait for its end.
            if exchange.hasReached(stage), cancelRequest == nil { return }
            let flush = PQflush(connection.raw)
            let tick = ContinuousClock.now + Self.tick
            // "If it is necessary to wait, wait for read- and write-ready, and read when it is read-ready": both directions at once,
            // or client and server stall, each waiting for the other to read.
            let events = wakeup.wait(
                socket: connection.socket, for: flush == 1 ? [.readable, .writable] : .readable, until: tick)
            if events.contains(.readable) || flush < 0 {
                guard PQconsumeInput(connection.raw) == 1 else { throw lost }
            }
            if events.contains(.woken) || events.isEmpty {
                if isAbandoned(), cancelRequest == nil, !exchange.isComplete {
                    cancelRequest = CancelRequest(connection, wakeup: wakeup)
                    answerBy = answerBy ?? ContinuousClock.now + Self.cancelGrace
                }
                if let answerBy, answerBy <= .now { throw ConnectionLost(message: "the server does not answer") }
                idle()
            }
        }
    }
}
