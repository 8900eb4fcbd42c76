import FlowModel
import Resources
import Synchronization

/// Loads of large states that memory had no room for. One that is repeated within a second is refused without asking PostgreSQL again, as
/// long as there is no room: hundreds at once would have the readers' connections find out the same size over and over, and other loads
/// wait behind them.
final class RefusedLoads: Sendable {
    private struct Question: Hashable {
        let key: FlowKey
        let selector: LoadSelector
        /// With it the load may need no memory.
        let ifVersionNot: FlowVersion?

        init(_ command: LoadCommand) {
            (key, selector, ifVersionNot) = (command.key, command.selector, command.ifVersionNot)
        }
    }

    static let remembered = Duration.seconds(1)
    /// More are forgotten together: they are a hint.
    static let limit = 1_024

    private let sizes = Mutex<[Question: (size: Int, until: Instant)]>([:])
    /// When the newest is forgotten, for the many loads that have nothing to do with them.
    private let lastUntil = Atomic<Int64>(.min)

    /// The size of the state that this load was refused for.
    func size(_ command: LoadCommand, now: Instant = .now) -> Int? {
        guard lastUntil.load(ordering: .relaxed) > now.nanoseconds else { return nil }
        return sizes.withLock { sizes in
            guard let known = sizes[Question(command)], known.until > now else { return nil }
            return known.size
        }
    }

    func insert(_ command: LoadCommand, size: Int, now: Instant = .now) {
        sizes.withLock { sizes in
            if sizes.count >= Self.limit || lastUntil.load(ordering: .relaxed) <= now.nanoseconds { sizes = [:] }
            let until = now + Self.remembered
            sizes[Question(command)] = (size, until)
            lastUntil.store(until.nanoseconds, ordering: .relaxed)
        }
    }
}
