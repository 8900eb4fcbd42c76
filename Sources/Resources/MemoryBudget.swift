import Synchronization

/// One bound on the memory that requests make this process take, whoever sends them and wherever it is: messages that arrive, decoded
/// requests, states that are loaded or computed with, answers that wait for a reader. It counts what is asked for, not what the allocator
/// makes of it. Safe on any thread; never blocks.
///
/// What does not fit is refused, so the newest request gives way to those that are under way.
public final class MemoryBudget: Sendable {
    /// In bytes.
    public let limit: Int
    private let used = Atomic(0)

    public init(limit: Int) { self.limit = limit }

    /// Bytes that are reserved now.
    public var reserved: Int { used.load(ordering: .relaxed) }

    /// Reserves all of `bytes` or nothing. A negative number reserves nothing.
    func reserve(_ bytes: Int) -> Bool {
        if bytes <= 0 { return true }
        var expected = used.load(ordering: .relaxed)
        while bytes <= limit - expected {
            let (isExchanged, original) = used.weakCompareExchange(
                expected: expected, desired: expected + bytes, ordering: .relaxed)
            if isExchanged { return true }
            expected = original
        }
        return false
    }

    func release(_ bytes: Int) {
        if bytes > 0 { used.subtract(bytes, ordering: .relaxed) }
    }
}

/// What one call, or one task in the background, has reserved of a `MemoryBudget`. Whoever still works for the call holds it; the last to
/// let go gives everything back. Safe on any thread.
public final class MemoryAccount: Sendable {
    public let budget: MemoryBudget
    private let held = Atomic(0)

    public init(_ budget: MemoryBudget) { self.budget = budget }

    deinit { budget.release(held.load(ordering: .relaxed)) }

    /// Bytes that it holds now.
    public var reserved: Int { held.load(ordering: .relaxed) }

    /// Reserves so many bytes more, or nothing.
    public func reserve(_ bytes: Int) -> Bool {
        guard budget.reserve(bytes) else { return false }
        if bytes > 0 { held.add(bytes, ordering: .relaxed) }
        return true
    }

    /// Gives so many bytes back, at most what it holds.
    public func release(_ bytes: Int) {
        var expected = held.load(ordering: .relaxed)
        while true {
            let released = min(max(bytes, 0), expected)
            let (isExchanged, original) = held.weakCompareExchange(
                expected: expected, desired: expected - released, ordering: .relaxed)
            if isExchanged { return budget.release(released) }
            expected = original
        }
    }
}
