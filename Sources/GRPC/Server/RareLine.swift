import Logging
import NIOCore
import Synchronization

/// A warning that is logged at most once a minute, however often there is a reason. Safe on any thread.
final class RareLine: Sendable {
    private static let pause = TimeAmount.minutes(1)

    private let message: Logger.Message
    private let next = Atomic<UInt64>(0)

    init(_ message: Logger.Message) { self.message = message }

    func say(_ logger: Logger, _ metadata: @autoclosure () -> Logger.Metadata) {
        let now = NIODeadline.now()
        let due = next.load(ordering: .relaxed)
        guard now.uptimeNanoseconds >= due,
            next.compareExchange(
                expected: due, desired: (now + Self.pause).uptimeNanoseconds, ordering: .relaxed
            ).exchanged
        else { return }
        logger.warning(message, metadata: metadata())
    }
}
