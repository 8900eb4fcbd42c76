import FlowModel
import Postgres

extension StateError {
    /// The one place where a failure of the database becomes an error of the state server.
    init(_ error: PostgresError) {
        switch error {
        case .unavailable(let message, let outcomeUnknown):
            self = .databaseUnavailable(message: message, outcomeUnknown: outcomeUnknown, retryAfterMilliseconds: 1_000)
        case .lockHeld: self = .lockHeld
        case .shutdown:
            self = .databaseUnavailable(
                message: "this server is shutting down", outcomeUnknown: false, retryAfterMilliseconds: 1_000)
        case .incompatible(let message):
            self = .databaseUnavailable(message: message, outcomeUnknown: false, retryAfterMilliseconds: 10_000)
        case .overloaded(let queued, let limit, let unit):
            self = .overloaded(queued: queued, limit: limit, unit: unit.rawValue, retryAfterMilliseconds: 100)
        case .deadlineExceeded: self = .deadlineExceeded(outcomeUnknown: false)
        case .cancelled: self = .cancelled
        case .protocolViolation(let message): self = .internalFault(message)
        case .server(let state, let message, let detail, _):
            self = Self.refusal(state, message: message, detail: detail)
        }
    }

    /// Too many concurrent changes of one flow, again and again; nothing was applied.
    static var contention: StateError {
        .databaseUnavailable(
            message: "too many changes of this flow at the same time", outcomeUnknown: false, retryAfterMilliseconds: 100)
    }

    /// Another transaction holds a lock on the flow for longer than an operation waits; nothing was applied.
    static var lockHeld: StateError {
        .databaseUnavailable(
            message: "\(PostgresError.lockHeld)", outcomeUnknown: false, retryAfterMilliseconds: 1_000)
    }

    /// By SQLSTATE (PostgreSQL manual, appendix A). The commands return conflicts as rows, so these errors are unexpected.
    private static func refusal(_ state: SQLState, message: String, detail: String?) -> StateError {
        let unavailable = StateError.databaseUnavailable(
            message: "\(message) (SQLSTATE \(state.rawValue))", outcomeUnknown: false, retryAfterMilliseconds: 1_000)
        switch state.rawValue.prefix(2) {
        // Rolled back because of another transaction, and the retries are used up: a serialization failure, a deadlock, a duplicate key.
        case "40": return .contention
        case "23" where state == .uniqueViolation: return .contention
        case "55" where state == .lockNotAvailable: return .lockHeld
        // No resources, operator intervention, system error; read-only (a standby); lock not available.
        case "53", "55", "57", "58", "25": return unavailable
        // The schema is missing, or this server may not use it: an operator, who finds PostgreSQL's message in the log, can help; a client
        // can only wait.
        case "3F", "42":
            return .databaseUnavailable(
                message: "its schema is not as this server needs it (SQLSTATE \(state.rawValue))", outcomeUnknown: false,
                retryAfterMilliseconds: 1_000)
        default:
            return .internalFault("PostgreSQL: \(message) (SQLSTATE \(state.rawValue))" + (detail.map { "; \($0)" } ?? ""))
        }
    }
}
