import DequeModule
import FlowModel
import Resources
import Synchronization

/// Requests of this server that wait for the lease of a flow, in the order in which they came. Only the first of a line asks PostgreSQL, again
/// and again, so that a thousand that wait cost no more than one. Safe on any thread.
final class LeaseLine: Sendable {
    struct Place: Sendable {
        fileprivate let key: FlowKey
        fileprivate let number: UInt64
    }

    private struct Entry {
        let number: UInt64
        var continuation: CheckedContinuation<Void, Never>?
    }

    private struct State {
        var lines: [FlowKey: Deque<Entry>] = [:]
        var numbers: UInt64 = 0
        var isClosed = false

        mutating func take(_ key: FlowKey, where isMeant: (Entry) -> Bool) -> CheckedContinuation<Void, Never>? {
            guard let index = lines[key]?.firstIndex(where: isMeant) else { return nil }
            return lines[key]?[index].continuation.take()
        }
    }

    private let state = Mutex(State())

    /// Whether a request waits for this lease.
    func isOccupied(_ key: FlowKey) -> Bool { state.withLock { $0.lines[key] != nil } }

    /// A place at the end of the line, until it is left.
    func join(_ key: FlowKey) -> Place {
        state.withLock { state in
            state.numbers += 1
            state.lines[key, default: []].append(Entry(number: state.numbers))
            return Place(key: key, number: state.numbers)
        }
    }

    /// The place behind it comes first.
    func leave(_ place: Place) {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.lines[place.key]?.removeAll { $0.number == place.number }
            guard let first = state.lines[place.key]?.first?.number else {
                state.lines[place.key] = nil
                return nil
            }
            return state.take(place.key) { $0.number == first }
        }
        next?.resume()
    }

    /// The lease may be free: the first need not wait any longer.
    func wake(_ key: FlowKey) {
        state.withLock { state in state.take(key) { _ in true } }?.resume()
    }

    /// Nothing waits any longer: the server stops.
    func close() {
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.isClosed = true
            let waiting = state.lines.values.flatMap { $0.compactMap(\.continuation) }
            for key in state.lines.keys {
                for place in state.lines[key]?.indices ?? 0..<0 { state.lines[key]?[place].continuation = nil }
            }
            return waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// No one waits for a lease any more.
    var isClosed: Bool { state.withLock(\.isClosed) }

    /// Returns when the place is the first of its line, at the end, or when its caller has given up.
    func turn(of place: Place, until end: Instant, isOver: @Sendable () -> Bool) async {
        while !isFirst(place), Instant.now < end, !isOver(), !isClosed {
            await sleep(place, until: min(end, .now + Self.glance), unlessFirst: true)
        }
    }

    /// How often who stands in line looks whether its caller is still there.
    private static let glance = Duration.seconds(1)

    /// Returns after the pause, or when the lease may be free.
    func pause(_ place: Place, for pause: Duration) async {
        await sleep(place, until: .now + pause, unlessFirst: false)
    }

    private func isFirst(_ place: Place) -> Bool { state.withLock { $0.lines[place.key]?.first?.number == place.number } }

    private func sleep(_ place: Place, until end: Instant, unlessFirst: Bool) async {
        var timer: Task<Void, Never>?
        await withCheckedContinuation { continuation in
            let isKept = state.withLock { state -> Bool in
                guard !state.isClosed, let index = state.lines[place.key]?.firstIndex(where: { $0.number == place.number }) else {
                    return false
                }
                if unlessFirst, index == 0 { return false }
                state.lines[place.key]?[index].continuation = continuation
                return true
            }
            guard isKept else { return continuation.resume() }
            // Behind the continuation, which it resumes.
            timer = Task {
                try? await Task.sleep(for: Instant.now.duration(to: end))
                state.withLock { state in state.take(place.key) { $0.number == place.number } }?.resume()
            }
        }
        timer?.cancel()
    }
}
