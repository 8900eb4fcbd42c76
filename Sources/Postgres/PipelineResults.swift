import CLibPQ

/// The connection was lost, or is given up; it returns nothing more.
struct ConnectionLost: Error {
    let message: String
    /// Whether operations without an outcome may have been committed.
    var isOutcomeUnknown = true
    /// Another server is the primary: what this one has committed may be lost.
    var isSuperseded = false
}

/// The result of one unit of operations in one round trip.
enum UnitResult {
    /// No result yet.
    case pending
    case committed([ResultRows])
    case failed(PostgresError)
}

/// The results of one round trip of a batch. Units of operations are sent as transactions in one pipeline; results and confirmations come
/// back. A transaction is the statements between two syncs (manual, section 34.5.1.3). Does no I/O: `Session` sends, waits and passes in
/// the results in order.
struct PipelineResults {
    /// A reply that is expected from the server; they come in the order of sending.
    private enum Reply {
        case prepared(statement: String)
        case statement(unit: Int, statement: String)
        /// A setting of the transaction, in front of its statements.
        case setting
        /// A statement that concerns only the session, in a transaction of its own: it may fail.
        case housekeeping
        /// The end of a transaction; its units are `units`.
        case sync(units: Range<Int>)
    }

    private var replies: [Reply] = []
    private var next = 0
    private var pendingNulls = 0
    /// The results of each unit, until its transaction ends.
    private var rows: [[ResultRows]]
    private var failure: PostgresError?
    private var prepareFailures: [String: PostgresError] = [:]
    private(set) var unitResults: [UnitResult]
    /// The warning with which the transaction that ends next was committed.
    private var commitWarning: String?
    /// Statements to prepare again, because preparing failed or the server no longer knows them.
    private(set) var invalidated: [String] = []

    init(units: Int) {
        rows = Array(repeating: [], count: units)
        unitResults = Array(repeating: .pending, count: units)
    }

    /// How far the results have arrived.
    enum Stage {
        /// Every statement has its result; whether the last transaction is committed is not known yet.
        case answered
        case complete
    }

    func hasReached(_ stage: Stage) -> Bool {
        switch stage {
        case .answered: next >= replies.count - 1
        case .complete: isComplete
        }
    }

    var isComplete: Bool { next == replies.count }

    /// Whether every statement has its result, in the last transaction without an error.
    var isAnswered: Bool { hasReached(.answered) && failure == nil && invalidated.isEmpty }

    /// Whether all transactions are committed.
    var isCommitted: Bool {
        unitResults.allSatisfy { if case .committed = $0 { true } else { false } }
    }

    /// The results of a unit that await its commit.
    func answers(of unit: Int) -> [ResultRows] { rows[unit] }

    // MARK: What was sent

    mutating func sentPrepare(_ statement: Statement) {
        replies.append(.prepared(statement: statement.name))
        replies.append(.sync(units: 0..<0))
    }
    mutating func sentStatement(_ statement: Statement, unit: Int) {
        replies.append(.statement(unit: unit, statement: statement.name))
    }
    mutating func sentSetting() { replies.append(.setting) }
    mutating func sentHousekeeping() {
        replies.append(.housekeeping)
        replies.append(.sync(units: 0..<0))
    }
    mutating func sentSync(units: Range<Int>) { replies.append(.sync(units: units)) }

    /// A unit that could not be sent.
    mutating func refuse(_ unit: Int, _ error: PostgresError) { unitResults[unit] = .failed(error) }

    // MARK: What arrived

    /// Takes what `PQgetResult` returned; the caller has checked that it does not block. Each statement has one result and then a null; a
    /// sync has one result and no null.
    mutating func received(_ result: OpaquePointer?) throws(ConnectionLost) {
        guard let result else { return try receivedNull() }
        pendingNulls = 0
        let status = PQresultStatus(result)
        switch (status, isComplete ? nil : replies[next]) {
        case (PGRES_PIPELINE_SYNC, .sync(let units)):
            PQclear(result)
            try finish(units)
            next += 1
        case (PGRES_TUPLES_OK, .statement(let unit, _)), (PGRES_COMMAND_OK, .statement(let unit, _)),
            (PGRES_EMPTY_QUERY, .statement(let unit, _)):
            rows[unit].append(ResultRows(owning: result))
        case (PGRES_COMMAND_OK, .prepared), (PGRES_TUPLES_OK, .setting), (PGRES_COMMAND_OK, .housekeeping), (PGRES_PIPELINE_ABORTED, _):
            PQclear(result)
        case (PGRES_FATAL_ERROR, let reply?):
            defer { PQclear(result) }
            let error = ResultError.read(result)
            switch error {
            case .server(_, let message, _, _) where ResultError.endsSession(result): throw ConnectionLost(message: message)
            case .unavailable(let message, _): throw ConnectionLost(message: message)
            default: failed(error, reply)
            }
        default:
            PQclear(result)
            throw ConnectionLost(message: "libpq answered out of step (status \(status.rawValue))")
        }
    }

    private mutating func receivedNull() throws(ConnectionLost) {
        pendingNulls += 1
        switch isComplete ? nil : replies[next] {
        case .prepared, .statement, .setting, .housekeeping: next += 1
        // A null follows the error of a commit; more than two mean that libpq expects no more results.
        case .sync, nil: if pendingNulls > 2 { throw ConnectionLost(message: "libpq lost track of the pipeline") }
        }
    }

    private mutating func failed(_ error: PostgresError, _ reply: Reply) {
        switch reply {
        case .prepared(let name):
            prepareFailures[name] = error
            invalidated.append(name)
        case .statement(_, let name):
            // The unit fails with the reason why its statement could not be prepared, rather than with "does not exist".
            failure = failure ?? prepareFailures[name] ?? error
            if BatchPlan.isStalePreparation(error), prepareFailures[name] == nil { invalidated.append(name) }
        case .sync, .setting: failure = failure ?? error
        case .housekeeping: break
        }
    }

    /// PostgreSQL warned before it confirmed the transaction that ends next: it is committed here, but perhaps not on the standbys that it
    /// had to wait for.
    mutating func warned(_ message: String) { commitWarning = message }

    /// The transaction ended: committed, unless one of its statements or the commit failed.
    private mutating func finish(_ units: Range<Int>) throws(ConnectionLost) {
        if let commitWarning, !units.isEmpty, failure == nil { throw ConnectionLost(message: commitWarning) }
        for unit in units {
            if let failure {
                unitResults[unit] = .failed(failure)
            } else if case .pending = unitResults[unit] {
                unitResults[unit] = .committed(rows[unit])
            }
            rows[unit] = []
        }
        failure = nil
    }
}
