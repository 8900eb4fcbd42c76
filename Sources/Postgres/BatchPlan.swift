/// How a batch runs: first all operations together in one transaction; if that is rolled back, each in a transaction of its own, several
/// times if it conflicts with other transactions. Pure.
struct BatchPlan {
    /// How often an operation is run alone.
    static let maximumAttempts = 5

    enum Round: Equatable {
        /// One transaction for all these operations.
        case together([Int])
        /// One transaction for each.
        case separately([Int])
    }

    enum Verdict: Equatable {
        case settled
        case runsAgain
        /// Another transaction holds the lock of these: the operation, and those behind it with the same lock. They leave the batch.
        case aside([Int])
    }

    /// How long the statements of a round wait for locks.
    enum LockWait {
        /// The session's `lock_timeout`.
        case session
        /// Some locks are known to be held, and the batch may need another held lock.
        case cautious
        /// The operations run one by one: on trial for their locks, or after their batch was rolled back.
        case trial

        /// The transaction's `lock_timeout`; `nil` leaves the session's.
        var milliseconds: Int? {
            switch self {
            case .session: nil
            case .cautious: 100
            case .trial: 20
            }
        }
    }

    private let lockOrders: [UInt64?]
    private var waiting: [Int]
    private var attempts: [Int]
    private var isTogether: Bool
    /// That of the first round; later rounds use `trial`.
    private(set) var lockWait: LockWait

    init(count: Int) { self.init(lockOrders: Array(repeating: nil, count: count)) }

    /// Sorts the operations by lock (`Operation.lockOrder`); those with the same lock keep their order.
    /// - Parameter lockWait: With `trial` the operations run one by one from the start.
    init(lockOrders: [UInt64?], lockWait: LockWait = .session) {
        self.lockOrders = lockOrders
        self.lockWait = lockWait
        waiting = lockOrders.indices.sorted { (lockOrders[$0] ?? 0, $0) < (lockOrders[$1] ?? 0, $1) }
        attempts = Array(repeating: 0, count: lockOrders.count)
        isTogether = lockOrders.count > 1 && lockWait != .trial
    }

    /// Divides operations that run together into units, whose operations share statements: by type if they take no lock, else runs of one
    /// type, so that their order stays.
    static func units(_ operations: [(type: ObjectIdentifier, lockOrder: UInt64?)]) -> [[Int]] {
        var units: [[Int]] = []
        var free: [ObjectIdentifier: Int] = [:]
        var last: ObjectIdentifier?
        for (index, operation) in operations.enumerated() {
            let known = operation.lockOrder == nil ? free[operation.type] : last == operation.type ? units.count - 1 : nil
            if let known {
                units[known].append(index)
                continue
            }
            if operation.lockOrder == nil { free[operation.type] = units.count }
            units.append([index])
            last = operation.lockOrder == nil ? nil : operation.type
        }
        return units
    }

    /// Operations without an outcome so far.
    var unsettled: [Int] { waiting }

    /// What to run now; `nil` when every operation has its outcome.
    func nextRound() -> Round? {
        if waiting.isEmpty { return nil }
        if isTogether { return .together(waiting) }
        if waiting.count == 1 { return .separately(waiting) }
        // Of operations with the same lock only the first: the next one must not overtake it when it has to run again.
        var locks: Set<UInt64> = []
        return .separately(waiting.filter { lockOrders[$0].map { locks.insert($0).inserted } ?? true })
    }

    /// The common transaction ended: `settled` have their outcome, the others run alone.
    mutating func togetherFinished(settled: [Int]) {
        isTogether = false
        lockWait = .trial
        let settled = Set(settled)
        waiting.removeAll { settled.contains($0) }
    }

    /// The operation's own transaction was committed, or rolled back because of `error`.
    mutating func aloneFinished(_ index: Int, error: PostgresError?) -> Verdict {
        attempts[index] += 1
        if let error {
            if error.sqlState == .lockNotAvailable, let lock = lockOrders[index] {
                let aside = waiting.filter { lockOrders[$0] == lock }
                waiting.removeAll { lockOrders[$0] == lock }
                return .aside(aside)
            }
            if Self.isTransient(error), attempts[index] < Self.maximumAttempts { return .runsAgain }
        }
        drop(index)
        return .settled
    }

    /// The operation needs no further run: it has its outcome, was cancelled or expired.
    mutating func drop(_ index: Int) { waiting.removeAll { $0 == index } }

    /// Whether the operation may succeed when it runs again: it conflicted with another transaction, whose commit it then sees. 57014 is a
    /// cancel request that was meant for another statement (`Batch` handles those that hit the right one). A statement that is unknown by
    /// its name, or was planned before a migration, is prepared again under another name.
    static func isTransient(_ error: PostgresError) -> Bool {
        switch error.sqlState {
        case .serializationFailure, .deadlockDetected, .uniqueViolation, .queryCanceled: true
        default: isStalePreparation(error)
        }
    }

    /// 26000: a pooler or `DISCARD ALL` removed the prepared statement. 0A000: "cached plan must not change result type".
    static func isStalePreparation(_ error: PostgresError) -> Bool {
        guard case .server(let state, let message, _, _) = error else { return false }
        return state == .invalidStatementName || state == .featureNotSupported && message.contains("cached plan")
    }
}
