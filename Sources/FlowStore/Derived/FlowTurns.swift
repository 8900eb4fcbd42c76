import FlowModel
import Synchronization

/// Whose turn it is to derive a version from the latest one of a flow, of those who ask at this server: one at a time, in their order.
///
/// All at once, each would load, derive and save, one save would be the next version, and all others would begin anew: the more there are,
/// the more work is done again, and some would lose again and again. What other servers save in between is tried again as before. Safe on
/// any thread.
final class FlowTurns: Sendable {
    /// Begins the work; false when its call has ended: then the next one has the turn.
    typealias Turn = @Sendable () -> Bool

    private struct State {
        /// Those that wait behind the one that has its turn.
        var waiting: [FlowKey: [Turn]] = [:]
        var count = 0
    }

    private let state = Mutex(State())
    private let limit: Int

    /// - Parameter limit: of those that may wait, for all flows together.
    init(limit: Int) { self.limit = limit }

    /// Takes a turn now, or when those before it have `end`ed theirs.
    /// - Throws: `overloaded`.
    func begin(_ key: FlowKey, _ turn: @escaping Turn) throws(StateError) {
        let (isNow, queued) = state.withLock { state -> (Bool, Int) in
            if state.waiting[key] == nil {
                state.waiting[key] = []
                return (true, 0)
            }
            if state.count >= limit { return (false, state.count) }
            state.waiting[key]?.append(turn)
            state.count += 1
            return (false, 0)
        }
        if queued > 0 { throw .overloaded(queued: queued, limit: limit, unit: "operations", retryAfterMilliseconds: 100) }
        if isNow, !turn() { end(key) }
    }

    /// The turn is over: the next one begins, on this thread.
    func end(_ key: FlowKey) {
        while let next = next(key), !next() {}
    }

    private func next(_ key: FlowKey) -> Turn? {
        state.withLock { state in
            if state.waiting[key]?.isEmpty ?? true {
                state.waiting[key] = nil
                return nil
            }
            state.count -= 1
            return state.waiting[key]?.removeFirst()
        }
    }
}
