import Synchronization

/// Cancels operations from any thread: a queued operation is dropped without touching the database; a batch in flight that consists of
/// cancelled operations only is cancelled in PostgreSQL.
public final class CancellationToken: Sendable {
    /// A place of an operation: its lane and its number there.
    private struct Place {
        let lane: Lane
        let id: BatchQueue<Job>.ID
    }

    private struct State {
        var isCancelled = false
        var places: [Place] = []
    }

    private let state = Mutex(State())

    public init() {}

    public var isCancelled: Bool { state.withLock(\.isCancelled) }

    public func cancel() {
        let places = state.withLock { state in
            state.isCancelled = true
            defer { state.places = [] }
            return state.places
        }
        for place in places { place.lane.cancel(place.id) }
    }

    /// Remembers where to cancel; `false` when the token was cancelled before.
    func register(_ id: BatchQueue<Job>.ID, in lane: Lane) -> Bool {
        state.withLock { state in
            if !state.isCancelled { state.places.append(Place(lane: lane, id: id)) }
            return !state.isCancelled
        }
    }

    func unregister(_ id: BatchQueue<Job>.ID, in lane: Lane) {
        state.withLock { state in
            state.places.removeAll { $0.id == id && $0.lane === lane }
        }
    }
}
