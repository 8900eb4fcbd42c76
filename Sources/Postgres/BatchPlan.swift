/// How a batch is run: first all together in one transaction; when that was undone, each operation in its own, those that hit a
/// conflict with other transactions several times. Pure.
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
        /// Another transaction holds what these lock, the operation and those of the same lock behind it: they leave the batch.
        case aside([Int])
    }

    /// How long a round's statements wait for locks.
    enum LockWait {
        /// As the session does.
        case session
        /// While some locks are known to be held: another may be in the batch.
        case cautious
        /// Operations on their own, of which some met a lock that was held, or one did before.
        case trial

        /// The server's `lock_timeout` for the transaction; `nil`: that of the session.
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
    /// For the first round; what is left runs one by one and with little patience.
    private(set) var lockWait: LockWait

    init(count: Int) { self.init(lockOrders: Array(repeating: nil, count: count)) }

    /// Operations in the order of what they lock (`Operation.lockOrder`), those of one number as they came.
    /// - Parameter lockWait: `trial`: they run one by one from the start.
    init(lockOrders: [UInt64?], lockWait: LockWait = .session) {
        self.lockOrders = lockOrders
        self.lockWait = lockWait
        waiting = lockOrders.indices.sorted { (lockOrders[$0] ?? 0, $0) < (lockOrders[$1] ?? 0, $1) }
        attempts = Array(repeating: 0, count: lockOrders.count)
        isTogether = lockOrders.count > 1 && lockWait != .trial
    }

    /// Cuts operations that run together into units of one type each, which share statements: those without locks by type, the others
    /// as they stand, so that their order stays.
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
        // Of operations of one lock only the first: the next one must not pass it when it has to run again.
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

    /// The operation's own transaction was committed, or undone because of `error`.
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

    /// A conflict with another transaction that has gone when the operation is run again: it then sees what the other one committed.
    /// 57014: a request to cancel that was meant for another statement. (`Batch` sorts out those that hit whom they were meant for.)
    /// A statement unknown by its name, or planned before a migration, is prepared again under another name.
    static func isTransient(_ error: PostgresError) -> Bool {
        switch error.sqlState {
        case .serializationFailure, .deadlockDetected, .uniqueViolation, .queryCanceled: true
        default: isStalePreparation(error)
        }
    }

    /// 26000: a pooler in between or `DISCARD ALL` took the prepared statement away; 0A000 "cached plan must not change result type".
    static func isStalePreparation(_ error: PostgresError) -> Bool {
        guard case .server(let state, let message, _, _) = error else { return false }
        return state == .invalidStatementName || state == .featureNotSupported && message.contains("cached plan")
    }
}
