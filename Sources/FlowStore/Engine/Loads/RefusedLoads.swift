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
    }

    static let remembered = Duration.seconds(1)
    /// More are forgotten together: they are a hint.
    static let limit = 1_024

    private let sizes = Mutex<[Question: (size: Int, until: Instant)]>([:])
    /// Whether there are any, for the many loads that have nothing to do with them.
    private let areThere = Atomic(false)

    /// The size of the state that this load was refused for.
    func size(_ command: LoadCommand, now: Instant = .now) -> Int? {
        guard areThere.load(ordering: .relaxed) else { return nil }
        return sizes.withLock { sizes in
            let question = Question(key: command.key, selector: command.selector)
            guard let known = sizes[question] else { return nil }
            if known.until > now { return known.size }
            sizes[question] = nil
            areThere.store(!sizes.isEmpty, ordering: .relaxed)
            return nil
        }
    }

    func insert(_ command: LoadCommand, size: Int, now: Instant = .now) {
        sizes.withLock { sizes in
            if sizes.count >= Self.limit { sizes = [:] }
            sizes[Question(key: command.key, selector: command.selector)] = (size, now + Self.remembered)
            areThere.store(true, ordering: .relaxed)
        }
    }
}
