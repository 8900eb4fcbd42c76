import CLibPQ
import Glibc
import Logging
import Resources

/// One libpq connection in non-blocking mode. Owned by one thread; `deinit` closes it.
struct Connection: ~Copyable {
    /// Owned: `PQfinish` in `deinit`, nowhere else. A `PGconn` must not be used by two threads at once (manual, section 34.20).
    let raw: OpaquePointer
    private let notices: Notices
    /// The server's identity; `nil` when it is a standby or does not report it.
    private(set) var identity: ServerIdentity?
    /// The server's place in `ConnectionOptions.eachHost`.
    private(set) var host = 0

    private init(raw: OpaquePointer, logger: Logger) {
        self.raw = raw
        notices = Notices(logger: logger)
        // `notices` lives as long as `raw`: both end in `deinit`, `raw` first.
        _ = PQsetNoticeReceiver(
            raw,
            { argument, result in
                guard let argument else { return }
                Unmanaged<Notices>.fromOpaque(argument).takeUnretainedValue().received(result)
            }, Unmanaged.passUnretained(notices).toOpaque())
    }

    deinit { PQfinish(raw) }

    var socket: CInt { PQsocket(raw) }
    var isBroken: Bool { PQstatus(raw) == CONNECTION_BAD }
    var errorMessage: String { String(cString: PQerrorMessage(raw)).trimmedLine }

    /// Why the server takes no writes; `nil` when it does. PostgreSQL reports both settings, and changes of them, by itself.
    var readOnlyReason: String? {
        if parameter("in_hot_standby") == "on" { return "the server is a hot standby" }
        if parameter("default_transaction_read_only") == "on" {
            return "the server takes no writes (default_transaction_read_only is on)"
        }
        return nil
    }

    private func parameter(_ name: String) -> String? { PQparameterStatus(raw, name).map { String(cString: $0) } }

    /// The warning with which a transaction was committed since the last call, if any.
    func takeCommitWarning() -> String? { notices.takeCommitWarning() }

    /// Connects to the first host that accepts, and starts the session (`begin`). Blocks the calling thread; after a signal on `wakeup` it
    /// throws `cancelled` if `isStopped` returns true. (Only the look-up of a host name cannot be interrupted.)
    ///
    /// - Parameters:
    ///   - timeout: For a single host; each of several hosts has `hostTimeout`.
    ///   - first: The place of the host to try first.
    static func open(
        _ options: ConnectionOptions, pipeline: Bool = true, timeout: Duration, hostTimeout: Duration? = nil, first: Int? = nil,
        wakeup: Wakeup, logger: Logger, isStopped: () -> Bool
    ) throws(PostgresError) -> Connection {
        let hosts = options.eachHost
        var order = Array(hosts.indices)
        if options.isBalanced { order.shuffle() }
        if let first, hosts.indices.contains(first) { order = [first] + order.filter { $0 != first } }
        let limit = options.hostTimeout ?? (hosts.count == 1 ? timeout : hostTimeout ?? timeout)
        var reasons: [String] = []
        for place in order {
            do throws(PostgresError) {
                var connection = try connect(hosts[place], limit, wakeup, logger, isStopped)
                try connection.begin(hosts[place], pipeline: pipeline, by: .now + limit, wakeup: wakeup, isStopped: isStopped)
                connection.host = place
                return connection
            } catch {
                guard case .unavailable(let message, _) = error else { throw error }
                reasons.append(hosts.count == 1 ? message : "\(hosts[place].hostName): \(message)")
            }
        }
        throw .unavailable(message: reasons.joined(separator: "; "), outcomeUnknown: false)
    }

    private static func connect(
        _ options: ConnectionOptions, _ limit: Duration, _ wakeup: Wakeup, _ logger: Logger, _ isStopped: () -> Bool
    ) throws(PostgresError) -> Connection {
        let deadline = Instant.now + limit
        guard let raw = start(options) else { throw .unavailable(message: "out of memory", outcomeUnknown: false) }
        let connection = Connection(raw: raw, logger: logger)
        // libpq has only parsed the values so far.
        if connection.isBroken, connection.errorMessage.hasPrefix("invalid ") {
            throw .incompatible("the connection string is wrong: \(options.redacted(connection.errorMessage))")
        }
        // "Call PQconnectPoll as if its last result were PGRES_POLLING_WRITING" at first; the socket may change from call to call.
        var interest: Wakeup.Events = .writable
        while !connection.isBroken {
            if Instant.now >= deadline {
                throw .unavailable(message: "no answer within \(limit)", outcomeUnknown: false)
            }
            let events = wakeup.wait(socket: connection.socket, for: interest, until: deadline)
            if isStopped() { throw .cancelled }
            if events.isDisjoint(with: [.readable, .writable]) { continue }
            switch PQconnectPoll(raw) {
            case PGRES_POLLING_READING: interest = .readable
            case PGRES_POLLING_WRITING: interest = .writable
            case PGRES_POLLING_OK:
                try connection.check()
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

    /// Checks the server's version and encoding, and switches to non-blocking mode.
    private func check() throws(PostgresError) {
        let version = PQserverVersion(raw)
        guard version >= 140_000 else {
            throw .incompatible("PostgreSQL 14 or later is needed; the server is \(version / 10000).\(version % 10000)")
        }
        let encoding = parameter("server_encoding") ?? "unknown"
        guard encoding == "UTF8" else {
            throw .incompatible(
                "the database's encoding must be UTF8; it is \(encoding). Create one with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )
        }
        guard PQsetnonblocking(raw, 1) == 0 else { throw .unavailable(message: errorMessage, outcomeUnknown: false) }
    }

    /// Applies the session's settings and asks for the server's role and identity, in one round trip.
    private mutating func begin(
        _ options: ConnectionOptions, pipeline: Bool, by deadline: Instant, wakeup: Wakeup, isStopped: () -> Bool
    ) throws(PostgresError) {
        if options.requiresPrimary, let reason = readOnlyReason { throw .unavailable(message: reason, outcomeUnknown: false) }
        let role = try SessionStart(raw: raw, options: options, wakeup: wakeup, deadline: deadline).run(isStopped: isStopped)
        if options.requiresPrimary, let reason = role.readOnlyReason { throw .unavailable(message: reason, outcomeUnknown: false) }
        identity = role.identity
        guard pipeline || PQexitPipelineMode(raw) == 1 else { throw .unavailable(message: errorMessage, outcomeUnknown: false) }
    }
}

/// Receives the server's notices, which libpq would print to standard error. libpq calls it inside calls on its connection, so on the
/// owning thread.
final class Notices {
    private let logger: Logger
    private var commitWarning: String?

    init(logger: Logger) { self.logger = logger }

    func received(_ result: OpaquePointer?) {
        let message = ResultError.field(result, CLIBPQ_DIAG_MESSAGE_PRIMARY) ?? ""
        logger.debug("PostgreSQL notice: \(message.trimmedLine)")
        guard ResultError.field(result, CLIBPQ_DIAG_SEVERITY) == "WARNING" else { return }
        let function = ResultError.field(result, CLIBPQ_DIAG_SOURCE_FUNCTION)
        if Self.concernsReplication(function: function, message: message) { commitWarning = message }
    }

    /// Whether a commit that stands on the primary may be missing on the standbys that it had to wait for, because the wait was cancelled.
    /// PostgreSQL names the function in its source whatever the language; without that (a pooler) the English message decides.
    static func concernsReplication(function: String?, message: String) -> Bool {
        function == "SyncRepWaitForLSN" || message.contains("synchronous replication")
    }

    func takeCommitWarning() -> String? {
        guard let warning = commitWarning else { return nil }
        commitWarning = nil
        return warning
    }
}

/// Reads the error of a failed result.
enum ResultError {
    static func read(_ result: OpaquePointer?, redact: (String) -> String = { $0 }) -> PostgresError {
        guard let state = field(result, CLIBPQ_DIAG_SQLSTATE) else {
            // An error of libpq itself has no SQLSTATE.
            let message = PQresultErrorMessage(result).map { String(cString: $0).trimmedLine } ?? ""
            return .unavailable(message: redact(message), outcomeUnknown: true)
        }
        return .server(
            SQLState(rawValue: state), message: redact(field(result, CLIBPQ_DIAG_MESSAGE_PRIMARY) ?? ""),
            detail: field(result, CLIBPQ_DIAG_MESSAGE_DETAIL), constraint: field(result, CLIBPQ_DIAG_CONSTRAINT_NAME))
    }

    /// Whether the server ends the session after this error: 57P01 "terminating connection due to administrator command" and the like.
    static func endsSession(_ result: OpaquePointer?) -> Bool {
        let severity = field(result, CLIBPQ_DIAG_SEVERITY)
        return severity == "FATAL" || severity == "PANIC"
    }

    static func field(_ result: OpaquePointer?, _ code: some BinaryInteger) -> String? {
        PQresultErrorField(result, CInt(code)).map { String(cString: $0) }
    }
}
