import Logging
import Synchronization

/// Logs what makes operations of one kind fail, while it lasts. Shared by the threads of their connections.
final class Conditions: Sendable {
    /// What fails: "saves", "loads".
    private let kind: String
    private let logger: Logger
    private let log = Mutex(ConditionLog())
    /// Read after each batch.
    private let isCalm = Atomic(true)

    init(kind: String, logger: Logger) {
        self.kind = kind
        self.logger = logger
    }

    func failed(_ error: PostgresError) {
        guard let (key, message) = Self.condition(error) else { return }
        failed(key, message)
    }

    func failed(_ key: String, _ message: String) {
        let line = log.withLock { log in
            isCalm.store(false, ordering: .releasing)
            return log.failed(key, message, now: .now)
        }
        if let line { write(line) }
    }

    func succeeded() {
        if isCalm.load(ordering: .acquiring) { return }
        let lines = log.withLock { log in
            let lines = log.succeeded(now: .now)
            isCalm.store(log.isEmpty, ordering: .releasing)
            return lines
        }
        for line in lines { write(line) }
    }

    private func write(_ line: ConditionLog.Line) {
        switch line {
        case .began(let reason): logger.error("\(kind) fail", metadata: ["reason": "\(reason)"])
        case .lasts(let reason, let count): logger.error("\(kind) still fail", metadata: ["reason": "\(reason)", "failures": "\(count)"])
        case .ended(let reason, let count):
            logger.notice("\(kind) no longer fail", metadata: ["reason": "\(reason)", "failures": "\(count)"])
        }
    }

    /// An error that an operator can act on; `nil` for one that concerns a single caller: data that PostgreSQL refuses (class 22, 23), a
    /// deadline. Errors with the same SQLSTATE are one condition.
    static func condition(_ error: PostgresError) -> (key: String, message: String)? {
        switch error {
        // A statement that does not wait for locks expects them to be held; `ConnectionWorker` reports those that wait.
        case .server(.lockNotAvailable, _, _, _): return nil
        case .server(let state, let message, _, _):
            switch state.rawValue.prefix(2) {
            case "22", "23": return nil
            default: return (state.rawValue, "\(message) (SQLSTATE \(state))")
            }
        case .protocolViolation(let message): return ("protocol", message)
        // Lost connections and failed attempts to connect are logged where they are noticed.
        case .unavailable, .lockHeld, .overloaded, .deadlineExceeded, .cancelled, .shutdown, .incompatible: return nil
        }
    }
}
