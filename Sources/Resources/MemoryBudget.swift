import Synchronization

/// One bound on the memory that the requests of all clients take in this process, wherever it is: messages that arrive, decoded requests,
/// states that are loaded or computed with, answers that wait for a reader. It counts what is asked for; what the allocator takes beyond
/// that shows in the resident memory, and is subtracted from what large accounts may have. Thread-safe; never blocks.
///
/// A cache may borrow what requests leave free (`lend`); it gives that back when a request needs it.
///
/// What does not fit is refused, so the newest request gives way to those in progress. The last eighth is kept for accounts that hold
/// little: small requests still fit when large ones, or answers that are not read, have taken all the rest.
package final class MemoryBudget: Sendable {
    /// In bytes.
    package let limit: Int
    private let used = Atomic(0)
    private let returned = Atomic(0)
    private let borrowed = Atomic(0)
    private struct Borrower { weak var object: (any MemoryBorrower)? }
    private let borrower = Mutex(Borrower())
    private let resident: ResidentMemory?

    /// - Parameter resident: Measures what is subtracted from what large accounts may have; nil subtracts nothing.
    package init(limit: Int, resident: ResidentMemory? = nil) {
        self.limit = limit
        self.resident = resident
    }

    /// Bytes that are reserved now.
    package var reserved: Int { used.load(ordering: .relaxed) }
    /// Bytes that are reserved now, and bytes that are resident without being reserved.
    package var taken: Int { reserved + (resident?.lastExcess ?? 0) }

    /// Bytes that were released so far; wraps around beyond `Int.max`.
    package var released: Int { returned.load(ordering: .relaxed) }

    /// An account that holds no more than this may use the last eighth too.
    package static let smallAccountBytes = 256 << 10

    /// The most that one account can get, when there is no other.
    package var largest: Int { limit - limit / 8 }

    /// Reserves all of `bytes` or nothing. A negative number reserves nothing.
    /// - Parameter held: Bytes that the account already holds.
    func reserve(_ bytes: Int, held: Int) -> Bool {
        if bytes <= 0 { return true }
        let isSmall = bytes <= Self.smallAccountBytes - min(held, Self.smallAccountBytes)
        let bound = isSmall ? limit : largest
        while true {
            let expected = used.load(ordering: .relaxed)
            let free = bound - expected - (isSmall ? 0 : unreserved(beside: expected - held - lent))
            if bytes <= free {
                if used.weakCompareExchange(expected: expected, desired: expected + bytes, ordering: .relaxed).exchanged { return true }
            } else if !reclaim(bytes.subtractingReportingOverflow(free).partialValue) {
                return false
            }
        }
    }

    /// Bytes that large accounts do not get because they are resident although nothing has reserved them. An account that is almost alone
    /// gets them nevertheless: memory that cannot be given back must not keep requests out for ever.
    private func unreserved(beside others: Int) -> Int {
        let excess = resident?.excess(reserved: reserved) ?? 0
        return others <= limit / 8 ? 0 : excess
    }

    // MARK: Borrowing

    /// Bytes that are lent now; they count as reserved.
    package var lent: Int { borrowed.load(ordering: .relaxed) }

    /// Who may borrow: one object, named once.
    package func setBorrower(_ borrower: any MemoryBorrower) { self.borrower.withLock { $0.object = borrower } }

    /// Lends this many bytes as long as more than half of all stays free.
    package func lend(_ bytes: Int) -> Bool {
        var expected = used.load(ordering: .relaxed)
        while bytes > 0, bytes <= limit / 2 - expected {
            let (isExchanged, original) = used.weakCompareExchange(
                expected: expected, desired: expected + bytes, ordering: .relaxed)
            if isExchanged {
                borrowed.add(bytes, ordering: .relaxed)
                return true
            }
            expected = original
        }
        return false
    }

    /// The borrower gives bytes back.
    package func endLoan(_ bytes: Int) {
        borrowed.subtract(bytes, ordering: .relaxed)
        release(bytes)
    }

    /// Has bytes given back that a request needs.
    /// - Parameter bytes: negative when so many do not exist.
    /// - Returns: whether some were, here or by another thread; `false`: what is lent would not be enough.
    private func reclaim(_ bytes: Int) -> Bool {
        let before = lent
        guard before > 0, (1...before).contains(bytes), let borrower = borrower.withLock(\.object) else { return false }
        borrower.giveBack(bytes)
        return lent != before
    }

    func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        used.subtract(bytes, ordering: .relaxed)
        returned.wrappingAdd(bytes, ordering: .relaxed)
    }
}

/// Uses memory that no request needs.
package protocol MemoryBorrower: AnyObject, Sendable {
    /// Gives at least this many borrowed bytes back (`MemoryBudget.endLoan`), or all. Called by the thread that needs them: must be quick.
    func giveBack(_ bytes: Int)
}

/// What one call, or one task in the background, has reserved of a `MemoryBudget`. Everything that works for the call holds it; once the
/// last reference is gone, everything is released. Thread-safe.
package final class MemoryAccount: Sendable {
    package let budget: MemoryBudget
    private let held = Atomic(0)

    package init(_ budget: MemoryBudget) { self.budget = budget }

    deinit { budget.release(held.load(ordering: .relaxed)) }

    /// Bytes that it holds now.
    package var reserved: Int { held.load(ordering: .relaxed) }

    /// Reserves this many more bytes, or nothing.
    package func reserve(_ bytes: Int) -> Bool {
        guard budget.reserve(bytes, held: reserved) else { return false }
        if bytes > 0 { held.add(bytes, ordering: .relaxed) }
        return true
    }

    /// Releases all bytes that it holds now.
    package func releaseAll() { budget.release(held.exchange(0, ordering: .relaxed)) }

    /// Releases this many bytes, at most what it holds.
    package func release(_ bytes: Int) { budget.release(take(bytes)) }

    /// Hands this many bytes over to another account of the same budget, at most what it holds. No other account can get them in between.
    /// - Returns: how many those were.
    package func handOver(_ bytes: Int, to other: MemoryAccount) -> Int {
        let bytes = take(bytes)
        other.held.add(bytes, ordering: .relaxed)
        return bytes
    }

    private func take(_ bytes: Int) -> Int {
        var expected = held.load(ordering: .relaxed)
        while true {
            let taken = min(max(bytes, 0), expected)
            let (isExchanged, original) = held.weakCompareExchange(
                expected: expected, desired: expected - taken, ordering: .relaxed)
            if isExchanged { return taken }
            expected = original
        }
    }
}

/// An object that has an account, or makes it on first use.
package protocol MemoryHolder: AnyObject, Sendable {
    var memory: MemoryAccount { get }
}

extension MemoryAccount: MemoryHolder {
    package var memory: MemoryAccount { self }
}

/// How much more memory of the process is resident than reservations explain: free memory between blocks in use, which heaps keep, and what
/// requests take without an account. Measured on demand, at most once per `pause`. Thread-safe; never blocks for longer than a measurement
/// takes, some 10 µs.
package final class ResidentMemory: Sendable {
    private static let pause = Duration.milliseconds(5)

    private let explained: @Sendable () -> Int
    private let resident: @Sendable () -> Int
    private let now: @Sendable () -> Instant
    private let begin: Instant
    /// When the next measurement is due, in milliseconds after `begin`.
    private let nextLook = Atomic(0)
    private let excess = Atomic(0)
    /// In bytes.
    private let tolerance: Int
    /// Yields whenever a measurement exceeds the tolerance; the newest element is kept until it is taken. For one reader.
    package let excesses: AsyncStream<Void>
    private let excessive: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - tolerance: An excess of this many bytes is usual.
    ///   - resident: Bytes that are resident now; 0 when unknown.
    ///   - explained: Bytes that are resident now but belong to no request: those at the start, and what is remembered. Must be quick.
    package init(
        tolerance: Int, resident: @escaping @Sendable () -> Int = { ProcessSettings.residentBytes },
        now: @escaping @Sendable () -> Instant = { .now }, explained: @escaping @Sendable () -> Int
    ) {
        self.explained = explained
        self.tolerance = tolerance
        self.resident = resident
        self.now = now
        begin = now()
        (excesses, excessive) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Bytes at the last measurement.
    var lastExcess: Int { excess.load(ordering: .relaxed) }

    /// The excess in bytes, seldom older than `pause`.
    /// - Parameter reserved: Bytes that all accounts have reserved.
    func excess(reserved: Int) -> Int {
        let (elapsed, due) = ((now() - begin) / .milliseconds(1), nextLook.load(ordering: .relaxed))
        let milliseconds = Int(elapsed)
        // Only one thread measures.
        guard milliseconds >= due,
            nextLook.compareExchange(
                expected: due, desired: milliseconds + Int(Self.pause / .milliseconds(1)), ordering: .relaxed
            ).exchanged
        else { return lastExcess }
        let bytes = max(resident() - explained() - reserved, 0)
        excess.store(bytes, ordering: .relaxed)
        if bytes > tolerance { excessive.yield() }
        return bytes
    }
}
