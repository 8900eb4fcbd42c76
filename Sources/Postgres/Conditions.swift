import Logging
import Synchronization

/// Tells in the log what makes operations of one kind fail while it lasts. Shared by the threads of their connections.
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

    /// What an operator can do something about; `nil` for what concerns one caller: data that PostgreSQL refuses (class 22, 23), a
    /// deadline. Those of one SQLSTATE are one condition.
    static func condition(_ error: PostgresError) -> (key: String, message: String)? {
        switch error {
        // A statement that does not wait for a lock expects it to be held; those that wait are reported by `ConnectionWorker`.
        case .server(.lockNotAvailable, _, _, _): return nil
        case .server(let state, let message, _, _):
            switch state.rawValue.prefix(2) {
            case "22", "23": return nil
            default: return (state.rawValue, "\(message) (SQLSTATE \(state))")
            }
        case .protocolViolation(let message): return ("protocol", message)
        // Lost connections and failed attempts to connect are told where they are noticed.
        case .unavailable, .overloaded, .deadlineExceeded, .cancelled, .shutdown, .incompatible: return nil
        }
    }
}
