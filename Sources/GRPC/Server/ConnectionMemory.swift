import Resources

/// The memory that one connection has reserved in the process's budget, for everything that is not in a call's own account: requests being
/// received, responses that wait, open streams. It reserves in steps, so that small calls do not touch the counters that event loops share.
struct ConnectionMemory {
    /// Approximate memory of an idle connection: its channel, its session and their tables.
    static let idleBytes = 16 << 10
    private static let step = 64 << 10

    private let account: MemoryAccount
    /// Bytes reserved beyond `idleBytes`.
    private(set) var reserved = 0

    /// Nil when there is no memory for another connection.
    init?(_ budget: MemoryBudget) {
        account = MemoryAccount(budget)
        guard account.reserve(Self.idleBytes) else { return nil }
    }

    /// Releases all but `bytes`. For a connection without calls, which may stay idle.
    mutating func settle(_ bytes: Int) {
        let kept = max(bytes, 0)
        guard kept < reserved else { return }
        account.release(reserved - kept)
        reserved = kept
    }

    /// Reserves `bytes` unless they are reserved already, and releases what is far beyond them.
    /// - Returns: false when there is no memory for them.
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
