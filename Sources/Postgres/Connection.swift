import CLibPQ
import Glibc
import Logging

/// One libpq connection in non-blocking mode. Owned by one thread; `deinit` closes it.
struct Connection: ~Copyable {
    /// Owned: `PQfinish` in `deinit`, nowhere else. A `PGconn` must not be used by two threads at once (manual, section 34.20).
    let raw: OpaquePointer
    private let notices: Notices

    /// Where the server's notices go instead of standard error. Called by libpq inside calls on `raw`, so on the owning thread.
    private final class Notices {
        let logger: Logger
        init(logger: Logger) { self.logger = logger }
    }

    private init(raw: OpaquePointer, logger: Logger) {
        self.raw = raw
        notices = Notices(logger: logger)
        // `notices` lives as long as `raw`: both end in `deinit`, `raw` first.
        _ = PQsetNoticeProcessor(
            raw,
            { argument, message in
                guard let argument, let message else { return }
                Unmanaged<Notices>.fromOpaque(argument).takeUnretainedValue().logger
                    .debug("PostgreSQL notice: \(String(cString: message).trimmedLine)")
            }, Unmanaged.passUnretained(notices).toOpaque())
    }

    deinit { PQfinish(raw) }

    var socket: CInt { PQsocket(raw) }
    var isBroken: Bool { PQstatus(raw) == CONNECTION_BAD }
    var errorMessage: String { String(cString: PQerrorMessage(raw)).trimmedLine }

    /// Connects. Blocks the calling thread, except that a signal on `wakeup` ends it with `cancelled` once `isStopped` says so.
    /// (Only the look-up of a host name cannot be interrupted.)
    static func open(
        _ options: ConnectionOptions, pipeline: Bool = true, timeout: Duration, wakeup: Wakeup, logger: Logger,
        isStopped: () -> Bool
    ) throws(PostgresError) -> Connection {
        let deadline = ContinuousClock.now + timeout
        guard let raw = start(options) else { throw .unavailable(message: "out of memory", outcomeUnknown: false) }
        let connection = Connection(raw: raw, logger: logger)
        // "Call PQconnectPoll as if its last result were PGRES_POLLING_WRITING" at first; the socket may change from call to call.
        var interest: Wakeup.Events = .writable
        while !connection.isBroken {
            if ContinuousClock.now >= deadline {
                throw .unavailable(message: "no answer within \(timeout)", outcomeUnknown: false)
            }
            let events = wakeup.wait(socket: connection.socket, for: interest, until: deadline)
            if isStopped() { throw .cancelled }
            if events.isDisjoint(with: [.readable, .writable]) { continue }
            switch PQconnectPoll(raw) {
            case PGRES_POLLING_READING: interest = .readable
            case PGRES_POLLING_WRITING: interest = .writable
            case PGRES_POLLING_OK:
                try connection.prepare(pipeline: pipeline)
                return connection
            default: throw .unavailable(message: options.redacted(connection.errorMessage), outcomeUnknown: false)
            }
        }
        throw .unavailable(message: options.redacted(connection.errorMessage), outcomeUnknown: false)
    }

    private static func start(_ options: ConnectionOptions) -> OpaquePointer? {
        let pairs = options.values.map { (strdup($0.key), strdup($0.value)) }
        defer {
            for (keyword, value) in pairs {
                free(keyword)
                free(value)
            }
        }
        let keywords = pairs.map { UnsafePointer($0.0) } + [nil]
        let values = pairs.map { UnsafePointer($0.1) } + [nil]
        return PQconnectStartParams(keywords, values, 0)
    }

    /// Checks what this room relies on, and switches to non-blocking mode.
    private func prepare(pipeline: Bool) throws(PostgresError) {
        let version = PQserverVersion(raw)
        guard version >= 140_000 else {
            throw .incompatible("PostgreSQL 14 or later is needed; the server is \(version / 10000).\(version % 10000)")
        }
        let encoding = PQparameterStatus(raw, "server_encoding").map { String(cString: $0) } ?? "unknown"
        guard encoding == "UTF8" else {
            throw .incompatible(
                "the database's encoding must be UTF8; it is \(encoding). Create one with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )
        }
        guard PQsetnonblocking(raw, 1) == 0, !pipeline || PQenterPipelineMode(raw) == 1 else {
            throw .unavailable(message: errorMessage, outcomeUnknown: false)
        }
    }
}

/// Reads the error of a failed result.
enum ResultError {
    static func read(_ result: OpaquePointer?, redact: (String) -> String = { $0 }) -> PostgresError {
        guard let state = field(result, CLIBPQ_DIAG_SQLSTATE) else {
            // Made by libpq itself: it has no SQLSTATE.
            let message = PQresultErrorMessage(result).map { String(cString: $0).trimmedLine } ?? ""
            return .unavailable(message: redact(message), outcomeUnknown: true)
        }
        return .server(
            SQLState(rawValue: state), message: redact(field(result, CLIBPQ_DIAG_MESSAGE_PRIMARY) ?? ""),
            detail: field(result, CLIBPQ_DIAG_MESSAGE_DETAIL), constraint: field(result, CLIBPQ_DIAG_CONSTRAINT_NAME))
    }

    /// The server ends the session after this error: 57P01 "terminating connection due to administrator command" and the like.
    static func endsSession(_ result: OpaquePointer?) -> Bool {
        let severity = field(result, CLIBPQ_DIAG_SEVERITY)
        return severity == "FATAL" || severity == "PANIC"
    }

    private static func field(_ result: OpaquePointer?, _ code: some BinaryInteger) -> String? {
        PQresultErrorField(result, CInt(code)).map { String(cString: $0) }
    }
}
