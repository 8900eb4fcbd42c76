import FlowModel
import FlowStore
import Logging
import Resources

/// Work that the server does by itself, in small batches so that saves do not wait for it: it deletes flows whose time is over, reports those
/// that are overdue, removes expired idempotency keys, old notifications, abandoned uploads, and what retention no longer keeps; and it looks
/// how deep chains of patches may be. Every server runs it; only one of them cleans up at a time.
struct Maintenance: Sendable {
    let store: StateStore
    /// This server's address, as others see it.
    let address: String
    let logger: Logger
    private static let longestPause: Int64 = 60

    /// Runs until cancelled.
    func run() async {
        let pause = Duration.seconds(max(1, min(Self.longestPause, store.cleanup.intervalSeconds)))
        let interval = Duration.seconds(store.cleanup.intervalSeconds)
        var purgesDue = Instant.now
        while (try? await Task.sleep(for: pause)) != nil {
            // Failures are retried after the pause; a database that cannot be reached is reported where it is noticed.
            do {
                let forgotten = try await store.purgeIdempotency()
                if forgotten > 0 { logger.debug("idempotency keys forgotten", metadata: ["count": "\(forgotten)"]) }
                let expired = try await store.deleteExpired()
                if expired > 0 { logger.debug("expired flows deleted", metadata: ["count": "\(expired)"]) }
                let overdue = try await store.reportOverdue()
                if overdue > 0 { logger.debug("overdue flows reported", metadata: ["count": "\(overdue)"]) }
                // Less often, since it asks for each tenant.
                if purgesDue <= .now {
                    let removed = try await store.purgeNotifications()
                    if removed > 0 { logger.debug("notifications removed", metadata: ["count": "\(removed)"]) }
                    let orphans = try await store.purgeWrites()
                    if orphans > 0 { logger.debug("writes without a version removed", metadata: ["count": "\(orphans)"]) }
                    let uploads = try await store.removeUploads()
                    if uploads > 0 { logger.debug("abandoned uploads removed", metadata: ["count": "\(uploads)"]) }
                    purgesDue = .now + interval
                }
                if let result = try await store.cleanUpIfDue(holder: address) { log(result) }
                try await store.readPatchDepth()
            } catch {
                logger.log(level: Task.isCancelled ? .debug : .warning, "maintenance failed", metadata: ["error": "\(error)"])
            }
        }
    }

    private func log(_ result: CleanupResult) {
        let counts = result.counts
        logger.info(
            result.isIncomplete ? "clean-up stopped" : "cleaned up",
            metadata: [
                "versions": "\(counts.versions)", "bytes": "\(counts.bytes)", "flows": "\(counts.flows)",
                "ended_flows": "\(counts.endedFlows)", "checkpoints": "\(counts.checkpoints)",
                "quarantined": "\(counts.quarantined)", "skipped": "\(counts.skipped)",
            ])
    }
}
