import Synchronization

/// One bound on the memory that requests make this process take, whoever sends them and wherever it is: messages that arrive, decoded
/// requests, states that are loaded or computed with, answers that wait for a reader. It counts what is asked for; what the allocator makes of
/// that is seen in what is resident, and large accounts have the less for it. Safe on any thread; never blocks.
///
/// What does not fit is refused, so the newest request gives way to those that are under way. The last eighth is kept for accounts that
/// hold little: small requests still fit when large ones, or answers that are not read, have taken all the rest.
public final class MemoryBudget: Sendable {
    /// In bytes.
    public let limit: Int
    private let used = Atomic(0)
    private let returned = Atomic(0)
    private let resident: ResidentMemory?

    /// - Parameter resident: what is taken off what large accounts may have; nil: nothing.
    public init(limit: Int, resident: ResidentMemory? = nil) {
        self.limit = limit
        self.resident = resident
    }

    /// Bytes that are reserved now.
    public var reserved: Int { used.load(ordering: .relaxed) }
    /// Bytes that are reserved now, and those that are resident without being reserved.
    public var taken: Int { reserved + (resident?.lastExcess ?? 0) }

    /// Bytes that were given back so far; begins anew beyond `Int.max`.
    public var released: Int { returned.load(ordering: .relaxed) }

    /// An account that holds no more than this may use the last eighth too.
    public static let smallAccountBytes = 256 << 10

    /// What one account can get at most, when there is no other.
    public var largest: Int { limit - limit / 8 }

    /// Reserves all of `bytes` or nothing. A negative number reserves nothing.
    /// - Parameter held: what the account holds already.
    func reserve(_ bytes: Int, held: Int) -> Bool {
        if bytes <= 0 { return true }
        let isSmall = bytes <= Self.smallAccountBytes - min(held, Self.smallAccountBytes)
        let bound = isSmall ? limit : largest
        var expected = used.load(ordering: .relaxed)
        let unreserved = isSmall ? 0 : unreserved(beside: expected - held)
        while bytes <= bound - unreserved - expected {
            let (isExchanged, original) = used.weakCompareExchange(
                expected: expected, desired: expected + bytes, ordering: .relaxed)
            if isExchanged { return true }
            expected = original
        }
        return false
    }

    /// What large accounts do not get because it is resident though nothing has reserved it. One that is all but alone gets it nevertheless:
    /// what cannot be given back must not keep requests out for ever.
    private func unreserved(beside others: Int) -> Int {
        let excess = resident?.excess(reserved: reserved) ?? 0
        return others <= limit / 8 ? 0 : excess
    }

    func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        used.subtract(bytes, ordering: .relaxed)
        returned.wrappingAdd(bytes, ordering: .relaxed)
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
        guard budget.reserve(bytes, held: reserved) else { return false }
        if bytes > 0 { held.add(bytes, ordering: .relaxed) }
        return true
    }

    /// Gives everything back that it holds now.
    public func releaseAll() { budget.release(held.exchange(0, ordering: .relaxed)) }

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

/// What has an account, or makes it when it is first asked for.
public protocol MemoryHolder: AnyObject, Sendable {
    var memory: MemoryAccount { get }
}

extension MemoryAccount: MemoryHolder {
    public var memory: MemoryAccount { self }
}
