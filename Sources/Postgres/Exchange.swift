import CLibPQ

/// The connection was lost, or is given up; nothing more will come from it.
struct ConnectionLost: Error {
    let message: String
    /// Whether what has no outcome may have been committed.
    var isOutcomeUnknown = true
    /// Another server is the primary: what this one confirms may be taken back.
    var isSuperseded = false
}

/// What became of one unit of operations in one exchange.
enum ExchangeResult {
    /// No answer (yet).
    case pending
    case committed([ResultRows])
    case failed(PostgresError)
}

/// One round trip of a batch: transactions of units of operations out in one pipeline, results and confirmations back. Each transaction
/// is the statements between two syncs (manual, section 34.5.1.3). Holds no I/O: `Session` sends, waits and feeds it the results in order.
struct Exchange {
    /// What the server answers, in the order in which it was asked.
    private enum Reply {
        case prepared(statement: String)
        case statement(unit: Int, statement: String)
        /// A setting of the transaction, in front of its statements.
        case setting
        /// What concerns the session only, in a transaction of its own: it may fail.
        case housekeeping
        /// The end of a transaction; its units are `units`.
        case sync(units: Range<Int>)
    }

    private var replies: [Reply] = []
    private var next = 0
    private var pendingNulls = 0
    /// Results of the units, by their place in the exchange.
    private var rows: [[ResultRows]]
    private var failure: PostgresError?
    private var prepareFailures: [String: PostgresError] = [:]
    private(set) var results: [ExchangeResult]
    /// The warning with which the transaction that is answered next was committed.
    private var commitWarning: String?
    /// Statements to prepare anew, because preparing failed or the server no longer knows them.
    private(set) var invalidated: [String] = []

    init(units: Int) {
        rows = Array(repeating: [], count: units)
        results = Array(repeating: .pending, count: units)
    }

    /// How far the answers have come.
    enum Stage {
        /// Every statement is answered; whether the last transaction is committed is not known yet.
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

    /// Whether the statements of the last transaction, or all, are answered without an error so far.
    var isAnswered: Bool { hasReached(.answered) && failure == nil && invalidated.isEmpty }

    /// Whether all transactions are committed.
    var isCommitted: Bool {
        results.allSatisfy { if case .committed = $0 { true } else { false } }
    }

    /// The answers to a unit that await its commit.
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
    mutating func refuse(_ unit: Int, _ error: PostgresError) { results[unit] = .failed(error) }

    // MARK: What arrived

    /// Takes what `PQgetResult` returned, which must have been allowed to return without blocking. Each statement has one result and
    /// then a null; a sync has one result and no null.
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
        // After the error of a commit; more than that means that libpq expects nothing any more.
        case .sync, nil: if pendingNulls > 2 { throw ConnectionLost(message: "libpq lost track of the pipeline") }
        }
    }

    private mutating func failed(_ error: PostgresError, _ reply: Reply) {
        switch reply {
        case .prepared(let name):
            prepareFailures[name] = error
            invalidated.append(name)
        case .statement(_, let name):
            // A unit is told why its statement could not be prepared, rather than that it does not exist.
            failure = failure ?? prepareFailures[name] ?? error
            if BatchPlan.isStalePreparation(error), prepareFailures[name] == nil { invalidated.append(name) }
        case .sync, .setting: failure = failure ?? error
        case .housekeeping: break
        }
    }

    /// PostgreSQL warned before it confirmed the transaction that is answered now: it stands here, but perhaps not on the standbys that it
    /// had to wait for.
    mutating func warned(_ message: String) { commitWarning = message }

    /// The transaction ended: committed, unless one of its statements or the commit failed.
    private mutating func finish(_ units: Range<Int>) throws(ConnectionLost) {
        if let commitWarning, !units.isEmpty, failure == nil { throw ConnectionLost(message: commitWarning) }
        for unit in units {
            if let failure {
                results[unit] = .failed(failure)
            } else if case .pending = results[unit] {
                results[unit] = .committed(rows[unit])
            }
            rows[unit] = []
        }
        failure = nil
    }
}
