/// A five-character SQLSTATE code (PostgreSQL manual, appendix A).
package struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: String

    package init(rawValue: String) { self.rawValue = rawValue }

    package var description: String { rawValue }

    package static let featureNotSupported = SQLState(rawValue: "0A000")
    package static let divisionByZero = SQLState(rawValue: "22012")
    package static let uniqueViolation = SQLState(rawValue: "23505")
    package static let checkViolation = SQLState(rawValue: "23514")
    package static let foreignKeyViolation = SQLState(rawValue: "23503")
    package static let invalidStatementName = SQLState(rawValue: "26000")
    package static let serializationFailure = SQLState(rawValue: "40001")
    package static let deadlockDetected = SQLState(rawValue: "40P01")
    package static let queryCanceled = SQLState(rawValue: "57014")
    package static let lockNotAvailable = SQLState(rawValue: "55P03")
    package static let readOnlyTransaction = SQLState(rawValue: "25006")
}

/// The unit in which a queue's limit is counted.
package enum QueueUnit: String, Sendable, CustomStringConvertible {
    case operations, bytes

    package var description: String { rawValue }
}

/// Why an operation on the database failed. Indirect, so that results are small.
package indirect enum PostgresError: Error, Sendable, Hashable {
    /// There is no connection, or it was lost. With `outcomeUnknown` the operation may have been committed: its commit was under way
    /// when the connection was lost. The message carries libpq's reason, never a password.
    case unavailable(message: String, outcomeUnknown: Bool)
    /// PostgreSQL refused a statement; the operation was rolled back as a whole.
    case server(SQLState, message: String, detail: String?, constraint: String?)
    /// Another transaction holds a lock that the operation needs, for longer than operations wait; it was not applied.
    case lockHeld
    /// The connection group's queue is full; nothing was sent.
    case overloaded(queued: Int, limit: Int, unit: QueueUnit)
    /// The deadline passed before the operation was committed; it was not applied.
    case deadlineExceeded
    /// The operation was cancelled before it was committed; it was not applied.
    case cancelled
    /// The database returned something other than the statement promises (another type, a NULL, a missing column), or an operation exceeds
    /// what the protocol can carry.
    case protocolViolation(String)
    /// The database was shut down by this process.
    case shutdown
    /// The database runs, but cannot be used as it is: too old a server, another encoding, a schema of another release.
    case incompatible(String)

    var sqlState: SQLState? {
        guard case .server(let state, _, _, _) = self else { return nil }
        return state
    }

    /// Whether the server cannot be used for now, for any operation: it takes no writes, starts, stops, has no connection left, or ended
    /// the session. The statement was not applied.
    var isServerUnavailable: Bool {
        guard let state = sqlState else { return false }
        return state == .readOnlyTransaction || state.rawValue.hasPrefix("57P") || state.rawValue == "53300"
            || state.rawValue.hasPrefix("08") && state.rawValue != "08P01"
    }

    /// The error as `unavailable`, like that of a server that cannot be reached.
    var asUnavailable: PostgresError {
        guard case .server(let state, let message, _, _) = self else { return self }
        return .unavailable(message: "\(message) (SQLSTATE \(state))", outcomeUnknown: false)
    }
}

extension PostgresError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unavailable(let message, let outcomeUnknown):
            let outcome = outcomeUnknown ? " (whether the operation was committed is unknown)" : ""
            return "PostgreSQL is unavailable: \(message)\(outcome)"
        case .server(let state, let message, let detail, _):
            return "PostgreSQL error \(state): \(message)" + (detail.map { " (\($0))" } ?? "")
        case .lockHeld: return "another transaction holds a lock that this operation needs"
        case .overloaded(let queued, let limit, let unit): return "\(queued) \(unit) wait for PostgreSQL; the limit is \(limit)"
        case .deadlineExceeded: return "the deadline passed before PostgreSQL committed the operation"
        case .cancelled: return "the operation was cancelled before PostgreSQL committed it"
        case .protocolViolation(let message): return "unexpected answer of PostgreSQL: \(message)"
        case .shutdown: return "the database connections were shut down"
        case .incompatible(let message): return message
        }
    }
}
