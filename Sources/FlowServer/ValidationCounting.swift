import FlowModel
import FlowStore
import Logging
import Resources

/// Stores every few seconds how often saves broke rules, and removes old counts. Every server does so.
struct ValidationCounting: Sendable {
    let store: StateStore
    let logger: Logger
    private static let interval = Duration.seconds(5)
    private static let purgeInterval = Duration.seconds(3_600)

    /// Runs until cancelled.
    func run() async {
        var purgeAt = Instant.now + Self.purgeInterval
        while (try? await Task.sleep(for: Self.interval)) != nil {
            await flush()
            if purgeAt > .now { continue }
            purgeAt = .now + Self.purgeInterval
            await report { () throws(StateError) in try await store.purgeValidationCounts() }
        }
    }

    /// Also called once more when the server stops.
    func flush(deadline: Instant? = nil) async {
        await report { () throws(StateError) in try await store.flushValidationCounts(deadline: deadline) }
    }

    /// A failure is retried next time; a database that cannot be reached is reported where it is noticed.
    private func report(_ work: () async throws(StateError) -> Void) async {
        do throws(StateError) {
            try await work()
        } catch {
            logger.debug("validation counts were not stored", metadata: ["error": "\(error)"])
        }
    }
}
