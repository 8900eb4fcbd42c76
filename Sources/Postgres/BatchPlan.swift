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
    }

    private var waiting: [Int]
    private var attempts: [Int]
    private var isTogether: Bool

    init(count: Int) {
        waiting = Array(0..<count)
        attempts = Array(repeating: 0, count: count)
        isTogether = count > 1
    }

    /// Operations in the order of what they lock (`Operation.lockOrder`), those of one number as they came.
    init(lockOrders: [UInt64?]) {
        self.init(count: lockOrders.count)
        waiting.sort { (lockOrders[$0] ?? 0, $0) < (lockOrders[$1] ?? 0, $1) }
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
        return isTogether ? .together(waiting) : .separately(waiting)
    }

    /// The common transaction ended: `settled` have their outcome, the others run alone.
    mutating func togetherFinished(settled: [Int]) {
        isTogether = false
        let settled = Set(settled)
        waiting.removeAll { settled.contains($0) }
    }

    /// The operation's own transaction was committed, or undone because of `error`.
    mutating func aloneFinished(_ index: Int, error: PostgresError?) -> Verdict {
        attempts[index] += 1
        if let error, Self.isTransient(error), attempts[index] < Self.maximumAttempts { return .runsAgain }
        drop(index)
        return .settled
    }

    /// The operation needs no further run: it has its outcome, was cancelled or expired.
    mutating func drop(_ index: Int) { waiting.removeAll { $0 == index } }

    /// A conflict with another transaction that has gone when the operation is run again: it then sees what the other one committed.
    /// A statement unknown by its name, or planned before a migration, is prepared again under another name.
    static func isTransient(_ error: PostgresError) -> Bool {
        switch error.sqlState {
        case .serializationFailure, .deadlockDetected, .uniqueViolation: true
        default: isStalePreparation(error)
        }
    }

    /// 26000: a pooler in between or `DISCARD ALL` took the prepared statement away; 0A000 "cached plan must not change result type".
    static func isStalePreparation(_ error: PostgresError) -> Bool {
        guard case .server(let state, let message, _, _) = error else { return false }
        return state == .invalidStatementName || state == .featureNotSupported && message.contains("cached plan")
    }
}
