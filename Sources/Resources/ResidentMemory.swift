import Synchronization

/// How much more memory of the process is resident than reservations explain: free memory between blocks in use, which heaps keep, and what
/// requests take without an account. Measured on demand, at most once per `pause`. Thread-safe; never blocks for longer than a measurement
/// takes, some 10 µs.
package final class ResidentMemory: Sendable {
    private static let pause = Duration.milliseconds(5)

    private let explained: @Sendable () -> Int
    private let resident: @Sendable () -> Int
    private let now: @Sendable () -> ContinuousClock.Instant
    private let begin: ContinuousClock.Instant
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
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }, explained: @escaping @Sendable () -> Int
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
