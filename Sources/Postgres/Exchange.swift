import CLibPQ

/// The connection was lost; nothing more will come from it.
struct ConnectionLost: Error {
    let message: String
}

/// What became of one operation in one exchange.
enum ExchangeResult {
    /// No answer (yet).
    case pending
    case committed([ResultRows])
    case failed(PostgresError)
}

/// One round trip of a batch: transactions of operations out in one pipeline, results and confirmations back. Each transaction is the
/// statements between two syncs (manual, section 34.5.1.3). Holds no I/O: `Session` sends, waits and feeds it the results in order.
struct Exchange {
    /// What the server answers, in the order in which it was asked.
    private enum Reply {
        case prepared(statement: String)
        case statement(job: Int, statement: String)
        /// The end of a transaction; its operations are `jobs`.
        case sync(jobs: Range<Int>)
    }

    private var replies: [Reply] = []
    private var next = 0
    private var pendingNulls = 0
    /// Results of the operations, by their place in the exchange.
    private var rows: [[ResultRows]]
    private var failure: PostgresError?
    private var prepareFailures: [String: PostgresError] = [:]
    private(set) var results: [ExchangeResult]
    /// Statements to prepare anew, because preparing failed or the server no longer knows them.
    private(set) var invalidated: [String] = []

    init(jobs: Int) {
        rows = Array(repeating: [], count: jobs)
        results = Array(repeating: .pending, count: jobs)
    }

    var isComplete: Bool { next == replies.count }

    // MARK: What was sent

    mutating func sentPrepare(_ statement: Statement) {
        replies.append(.prepared(statement: statement.name))
        replies.append(.sync(jobs: 0..<0))
    }
    mutating func sentStatement(_ statement: Statement, job: Int) {
        replies.append(.statement(job: job, statement: statement.name))
    }
    mutating func sentSync(jobs: Range<Int>) { replies.append(.sync(jobs: jobs)) }

    /// An operation that could not be sent.
    mutating func refuse(_ job: Int, _ error: PostgresError) { results[job] = .failed(error) }

    // MARK: What arrived

    /// Takes what `PQgetResult` returned, which must have been allowed to return without blocking. Each statement has one result and
    /// then a null; a sync has one result and no null.
    mutating func received(_ result: OpaquePointer?) throws(ConnectionLost) {
        guard let result else { return try receivedNull() }
        pendingNulls = 0
        let status = PQresultStatus(result)
        switch (status, isComplete ? nil : replies[next]) {
        case (PGRES_PIPELINE_SYNC, .sync(let jobs)):
            PQclear(result)
            finish(jobs)
            next += 1
        case (PGRES_TUPLES_OK, .statement(let job, _)), (PGRES_COMMAND_OK, .statement(let job, _)),
            (PGRES_EMPTY_QUERY, .statement(let job, _)):
            rows[job].append(ResultRows(owning: result))
        case (PGRES_COMMAND_OK, .prepared), (PGRES_PIPELINE_ABORTED, _):
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
        case .prepared, .statement: next += 1
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
            // An operation is told why its statement could not be prepared, rather than that it does not exist.
            failure = failure ?? prepareFailures[name] ?? error
            if BatchPlan.isStalePreparation(error), prepareFailures[name] == nil { invalidated.append(name) }
        case .sync: failure = failure ?? error
        }
    }

    /// The transaction ended: committed, unless one of its statements or the commit failed.
    private mutating func finish(_ jobs: Range<Int>) {
        for job in jobs {
            if let failure {
                results[job] = .failed(failure)
            } else if case .pending = results[job] {
                results[job] = .committed(rows[job])
            }
            rows[job] = []
        }
        failure = nil
    }
}
