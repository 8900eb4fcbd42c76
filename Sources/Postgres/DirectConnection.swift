import CLibPQ
import Logging

/// A connection for single statements outside the connection groups: migrations and the set-up of a cluster. Confined to one thread; an
/// interruption cancels the statement in PostgreSQL.
struct DirectConnection: ~Copyable {
    private let connection: Connection
    private let options: ConnectionOptions
    private let interruption: Blocking.Interruption

    init(
        _ options: ConnectionOptions, timeout: Duration = .seconds(5), interruption: Blocking.Interruption, logger: Logger
    ) throws(PostgresError) {
        self.options = options
        self.interruption = interruption
        connection = try Connection.open(
            options, pipeline: false, timeout: timeout, hostTimeout: timeout / 2, wakeup: interruption.wakeup, logger: logger,
            isStopped: { interruption.isInterrupted })
    }

    /// Runs statements separated by semicolons; the results are discarded.
    func execute(_ sql: String) throws(PostgresError) {
        guard PQsendQuery(connection.raw, sql) == 1 else { throw lost }
        _ = try rows()
    }

    /// Runs one statement with `text` parameters; returns rows of texts, NULL as an empty text.
    func query(_ sql: String, _ parameters: [String] = []) throws(PostgresError) -> [[String]] {
        let sent = withCStrings(parameters) {
            PQsendQueryParams(connection.raw, sql, CInt(parameters.count), nil, $0, nil, nil, 0)
        }
        guard sent == 1 else { throw lost }
        return try rows()
    }

    private var lost: PostgresError {
        .unavailable(message: options.redacted(connection.errorMessage), outcomeUnknown: true)
    }

    /// The rows of the last result; the first error, once the server is ready again.
    private func rows() throws(PostgresError) -> [[String]] {
        var rows: [[String]] = []
        var failure: PostgresError?
        while let result = try nextResult() {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                rows = (0..<PQntuples(result)).map { row in
                    (0..<PQnfields(result)).map { PQgetvalue(result, row, $0).map { String(cString: $0) } ?? "" }
                }
            default: failure = failure ?? ResultError.read(result, redact: options.redacted)
            }
        }
        if connection.isBroken { throw failure ?? lost }
        if let failure { throw interruption.isInterrupted ? .cancelled : failure }
        return rows
    }

    private func nextResult() throws(PostgresError) -> OpaquePointer? {
        var request: CancelRequest?
        while PQisBusy(connection.raw) == 1 {
            let flush = PQflush(connection.raw)
            let events = interruption.wakeup.wait(
                socket: connection.socket, for: flush == 1 ? [.readable, .writable] : .readable, until: nil)
            if interruption.isInterrupted, request == nil {
                request = CancelRequest(connection, wakeup: interruption.wakeup)
            }
            if events.contains(.readable) || flush < 0 {
                guard PQconsumeInput(connection.raw) == 1 else { throw lost }
            }
        }
        return PQgetResult(connection.raw)
    }
}
