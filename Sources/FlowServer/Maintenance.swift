import FlowModel
import FlowStore
import Logging

/// Work that nobody asks for: forgets idempotency keys whose time is over, a small batch at a time so that
/// saves do not wait for it. Every server instance may run it.
struct Maintenance: Sendable {
    let store: StateStore
    let logger: Logger
    private static let interval = Duration.seconds(60)

    /// Until cancelled.
    func run() async {
        while (try? await Task.sleep(for: Self.interval)) != nil {
            do {
                let forgotten = try await store.purgeIdempotency()
                if forgotten > 0 { logger.debug("idempotency keys forgotten", metadata: ["count": "\(forgotten)"]) }
            } catch {
                // Tried again in a minute; a database that is away is reported where it is noticed.
                logger.debug("idempotency keys were not purged", metadata: ["error": "\(error)"])
            }
        }
    }
}
