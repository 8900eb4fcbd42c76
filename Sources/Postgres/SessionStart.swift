import CLibPQ
import Resources

/// The first round trip of a session: applies its settings, checks them, and asks for the server's identity and role. Leaves the connection
/// in pipeline mode.
struct SessionStart {
    /// Which server it is, and why it takes no writes, if it takes none.
    struct ServerRole {
        var identity: ServerIdentity?
        var readOnlyReason: String?
    }

    let raw: OpaquePointer
    let options: ConnectionOptions
    let wakeup: Wakeup
    let deadline: Instant

    /// Asked in SQL and not taken from the parameters that the server reported: a pooler need not pass those on. After a promotion
    /// `pg_walfile_name` shows the new timeline at once, the control file only after the next checkpoint.
    private static let role = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')"
    private static let identity = """
        SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), CASE WHEN NOT pg_catalog.pg_is_in_recovery()
          THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END
        """

    func run(isStopped: () -> Bool) throws(PostgresError) -> ServerRole {
        guard PQenterPipelineMode(raw) == 1 else { throw lost }
        let (required, optional) = (options.settings.required, options.settings.optional)
        for setting in optional {
            // A PostgreSQL version or system without the setting leaves it out.
            try send(
                "SELECT pg_catalog.set_config($1, $2, false) WHERE pg_catalog.current_setting($1, true) IS NOT NULL",
                [setting.name, setting.value])
        }
        if !required.isEmpty {
            let columns = required.indices.map { "pg_catalog.set_config($\($0 * 2 + 1), $\($0 * 2 + 2), false)" }
            try send("SELECT " + columns.joined(separator: ", "), required.flatMap { [$0.name, $0.value] })
            let values = required.indices.map { "pg_catalog.current_setting($\($0 + 1))" }
            try send("SELECT " + values.joined(separator: ", "), required.map(\.name))
        }
        try send(Self.role, [])
        try send(Self.identity, [])

        for _ in optional { _ = try answer(isStopped) }
        if !required.isEmpty {
            let set = try answer(isStopped).get()
            // Another session answered: the pooler gives each transaction one of its own.
            if let place = try zip(set, answer(isStopped).get()).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset {
                throw .unavailable(
                    message: "the session did not keep its setting \(required[place].name); a pooler must work in session mode",
                    outcomeUnknown: false)
            }
        }
        var result = ServerRole()
        let role = try answer(isStopped).get()
        if role.first == "t" {
            result.readOnlyReason = "the server is a hot standby"
        } else if role.last == "on" {
            result.readOnlyReason = "the server takes no writes (transaction_read_only is on)"
        }
        // Some services do not let their users call these functions.
        if case .success(let identity) = try answer(isStopped), identity.count == 2 {
            result.identity = ServerIdentity(system: identity[0], walFile: identity[1])
        }
        return result
    }

    private var lost: PostgresError {
        .unavailable(message: options.redacted(String(cString: PQerrorMessage(raw)).trimmedLine), outcomeUnknown: false)
    }

    /// Sends a statement as a transaction of its own.
    private func send(_ sql: String, _ parameters: [String]) throws(PostgresError) {
        let sent = withCStrings(parameters) { PQsendQueryParams(raw, sql, CInt(parameters.count), nil, $0, nil, nil, 0) }
        guard sent == 1, PQpipelineSync(raw) == 1 else { throw lost }
    }

    /// The first row of the next statement's result, NULL as an empty text; or its error.
    private func answer(_ isStopped: () -> Bool) throws(PostgresError) -> Result<[String], PostgresError> {
        let result = try next(isStopped)
        defer { PQclear(result) }
        // A null ends the statement's results; then comes the sync.
        _ = try next(isStopped)
        PQclear(try next(isStopped))
        guard PQresultStatus(result) == PGRES_TUPLES_OK else {
            let error = ResultError.read(result, redact: options.redacted)
            if ResultError.endsSession(result) || error.sqlState == nil { throw error.asUnavailable }
            return .failure(error.asUnavailable)
        }
        guard PQntuples(result) > 0 else { return .success([]) }
        return .success((0..<PQnfields(result)).map { PQgetvalue(result, 0, $0).map { String(cString: $0) } ?? "" })
    }

    private func next(_ isStopped: () -> Bool) throws(PostgresError) -> OpaquePointer? {
        while PQisBusy(raw) == 1 {
            if Instant.now >= deadline {
                throw .unavailable(message: "no answer within the time to connect", outcomeUnknown: false)
            }
            let flush = PQflush(raw)
            let events = wakeup.wait(socket: PQsocket(raw), for: flush == 1 ? [.readable, .writable] : .readable, until: deadline)
            if isStopped() { throw .cancelled }
            if events.contains(.readable) || flush < 0 {
                guard PQconsumeInput(raw) == 1 else { throw lost }
            }
        }
        if PQstatus(raw) == CONNECTION_BAD { throw lost }
        return PQgetResult(raw)
    }
}

/// Lends strings as C's array of pointers; they are valid only during the call.
func withCStrings<R>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> R) -> R {
    let bytes = strings.flatMap { ContiguousArray($0.utf8CString) }
    return bytes.withUnsafeBufferPointer { bytes in
        var pointers: [UnsafePointer<CChar>?] = []
        var start = 0
        for string in strings {
            pointers.append(bytes.baseAddress.map { $0 + start })
            start += string.utf8CString.count
        }
        return body(pointers)
    }
}
