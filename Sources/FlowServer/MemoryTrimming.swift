import Logging
import Resources

/// Gives memory back to the system when requests have let go of it. malloc alone keeps what lies between small blocks that are still in
/// use: after 20,000 streams some 250 MB.
struct MemoryTrimming: Sendable {
    let memory: MemoryBudget
    let logger: Logger

    private static let pause = Duration.seconds(5)
    /// So much more than after the last time must be resident.
    private static let leastBytes = 32 << 20

    /// Until cancelled.
    func run() async {
        var resident = ProcessSettings.residentBytes
        while (try? await Task.sleep(for: Self.pause)) != nil {
            let now = ProcessSettings.residentBytes
            resident = min(resident, now)
            // Not while requests still hold much: it would be taken again.
            guard now - resident >= Self.leastBytes, memory.reserved < (now - resident) / 2 else { continue }
            let taken = await trim()
            resident = ProcessSettings.residentBytes
            logger.debug(
                "memory given back",
                metadata: ["before": "\(now >> 20) MiB", "after": "\(resident >> 20) MiB", "milliseconds": "\(taken / .milliseconds(1))"])
        }
    }

    /// On a thread of its own: it takes milliseconds.
    private func trim() async -> Duration {
        await withCheckedContinuation { continuation in
            let isStarted = WorkerThread.start(name: "trim") {
                let begin = ContinuousClock.now
                ProcessSettings.trimMemory()
                continuation.resume(returning: ContinuousClock.now - begin)
            }
            if !isStarted { continuation.resume(returning: .zero) }
        }
    }
}
