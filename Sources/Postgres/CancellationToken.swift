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
        /// Nearly every call has one operation at a time, which so takes no array of its own.
        var place: Place?
        var others: [Place] = []
    }

    private let state = Mutex(State())

    public init() {}

    public var isCancelled: Bool { state.withLock(\.isCancelled) }

    public func cancel() {
        let (place, others) = state.withLock { state in
            state.isCancelled = true
            defer { (state.place, state.others) = (nil, []) }
            return (state.place, state.others)
        }
        if let place { place.lane.cancel(place.id) }
        for place in others { place.lane.cancel(place.id) }
    }

    /// Remembers where to cancel; `false` when the token was cancelled before.
    func register(_ id: BatchQueue<Job>.ID, in lane: Lane) -> Bool {
        state.withLock { state in
            if state.isCancelled { return false }
            let place = Place(lane: lane, id: id)
            if state.place == nil { state.place = place } else { state.others.append(place) }
            return true
        }
    }

    func unregister(_ id: BatchQueue<Job>.ID, in lane: Lane) {
        state.withLock { state in
            if let place = state.place, place.id == id, place.lane === lane {
                state.place = nil
            } else {
                state.others.removeAll { $0.id == id && $0.lane === lane }
            }
        }
    }
}
