import Resources

/// What one connection has reserved of the process's memory, for all that is in no call's own account: requests that arrive, answers that
/// wait, open streams. Reserved in steps, so that small calls touch no counter that event loops share.
struct ConnectionMemory {
    /// What an idle connection takes, roughly: its channel, its session and their tables.
    static let idleBytes = 16 << 10
    private static let step = 64 << 10

    private let account: MemoryAccount
    /// Beyond `idleBytes`.
    private(set) var reserved = 0

    /// Nil when there is no memory for another connection.
    init?(_ budget: MemoryBudget) {
        account = MemoryAccount(budget)
        guard account.reserve(Self.idleBytes) else { return nil }
    }

    /// Lets go of all but `bytes`: of a connection without calls, which may stay so.
    mutating func settle(_ bytes: Int) {
        let kept = max(bytes, 0)
        guard kept < reserved else { return }
        account.release(reserved - kept)
        reserved = kept
    }

    /// Whether `bytes` are reserved, if need be from now on. Lets go of what is far more than that.
    mutating func covers(_ bytes: Int) -> Bool {
        if bytes > reserved {
            let whole = (bytes / Self.step + 1) * Self.step
            for wanted in [whole, bytes] where account.reserve(wanted - reserved) {
                reserved = wanted
                return true
            }
            return false
        }
        if reserved - bytes >= 2 * Self.step {
            let kept = (max(bytes, 0) / Self.step + 1) * Self.step
            account.release(reserved - kept)
            reserved = kept
        }
        return true
    }
}
