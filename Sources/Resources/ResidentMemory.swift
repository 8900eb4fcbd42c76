import Synchronization

/// How much more memory of the process is resident than reservations explain: free memory between blocks in use, which heaps keep, and what
/// requests take without an account. Looked at when it is asked for, at most once in `pause`. Safe on any thread; never blocks for longer than
/// a look takes, some 10 µs.
public final class ResidentMemory: Sendable {
    private static let pause = Duration.milliseconds(5)

    private let explained: @Sendable () -> Int
    private let resident: @Sendable () -> Int
    private let now: @Sendable () -> ContinuousClock.Instant
    private let begin: ContinuousClock.Instant
    /// Milliseconds after `begin`.
    private let nextLook = Atomic(0)
    private let excess = Atomic(0)
    /// In bytes.
    private let tolerance: Int
    /// An element whenever a look shows more than what is tolerated; the newest is kept until it is taken. For one reader.
    public let excesses: AsyncStream<Void>
    private let excessive: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - tolerance: an excess of so many bytes is usual.
    ///   - resident: bytes that are resident now; 0: not known.
    ///   - explained: bytes that are resident now though no request has them: what was at the start, and what is remembered. Must be quick.
    public init(
        tolerance: Int, resident: @escaping @Sendable () -> Int = { ProcessSettings.residentBytes },
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }, explained: @escaping @Sendable () -> Int
    ) {
        self.explained = explained
        self.tolerance = tolerance
        self.resident = resident
        self.now = now
        begin = now()
        (excesses, excessive) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Bytes at the last look.
    var lastExcess: Int { excess.load(ordering: .relaxed) }

    /// Bytes, seldom older than `pause`.
    /// - Parameter reserved: by all accounts.
    func excess(reserved: Int) -> Int {
        let (elapsed, due) = ((now() - begin) / .milliseconds(1), nextLook.load(ordering: .relaxed))
        let milliseconds = Int(elapsed)
        // One thread looks.
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
