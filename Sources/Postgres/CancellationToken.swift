import Synchronization

/// Cancels operations from any thread. A queued operation is removed without touching the database; a batch in flight is cancelled in
/// PostgreSQL once all its operations are cancelled.
package final class CancellationToken: Sendable {
    /// Where an operation is queued: its connection group and its number there.
    private struct Place {
        let group: ConnectionGroup
        let id: BatchQueue<Job>.ID
    }

    private struct State {
        var isCancelled = false
        /// Nearly every call has one operation at a time, so the first one needs no array.
        var place: Place?
        var others: [Place] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var isCancelled: Bool { state.withLock(\.isCancelled) }

    package func cancel() {
        let (place, others) = state.withLock { state in
            state.isCancelled = true
            defer { (state.place, state.others) = (nil, []) }
            return (state.place, state.others)
        }
        if let place { place.group.cancel(place.id) }
        for place in others { place.group.cancel(place.id) }
    }

    /// Remembers where to cancel; `false` when the token was already cancelled.
    func register(_ id: BatchQueue<Job>.ID, in group: ConnectionGroup) -> Bool {
        state.withLock { state in
            if state.isCancelled { return false }
            let place = Place(group: group, id: id)
            if state.place == nil { state.place = place } else { state.others.append(place) }
            return true
        }
    }

    func unregister(_ id: BatchQueue<Job>.ID, in group: ConnectionGroup) {
        state.withLock { state in
            if let place = state.place, place.id == id, place.group === group {
                state.place = nil
            } else {
                state.others.removeAll { $0.id == id && $0.group === group }
            }
        }
    }
}
