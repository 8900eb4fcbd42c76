import FlowModel
import FlowStore
import Logging

/// Writes down every few seconds how often saves broke rules, and forgets what was counted long ago. Every server instance does so.
struct ValidationCounting: Sendable {
    let store: StateStore
    let logger: Logger
    private static let interval = Duration.seconds(5)
    private static let purgeInterval = Duration.seconds(3_600)

    /// Until cancelled.
    func run() async {
        var purgeAt = ContinuousClock.now + Self.purgeInterval
        while (try? await Task.sleep(for: Self.interval)) != nil {
            await flush()
            if purgeAt > .now { continue }
            purgeAt = .now + Self.purgeInterval
            await report { () throws(StateError) in try await store.purgeValidationCounts() }
        }
    }

    /// Once more, when the server stops.
    func flush(deadline: ContinuousClock.Instant? = nil) async {
        await report { () throws(StateError) in try await store.flushValidationCounts(deadline: deadline) }
    }

    /// Tried again next time; a database that is away is reported where it is noticed.
    private func report(_ work: () async throws(StateError) -> Void) async {
        do throws(StateError) {
            try await work()
        } catch {
            logger.debug("validation counts were not kept", metadata: ["error": "\(error)"])
        }
    }
}
