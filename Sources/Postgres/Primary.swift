import Synchronization

/// `KnownPrimary`, shared by the connections' threads.
final class Primary: Sendable {
    private let known = Mutex(KnownPrimary())
    /// `KnownPrimary.generation`; the connections' threads read it at every turn.
    private let current = Atomic(0)
    /// Called when another primary has taken over, to wake idle threads.
    private let replaced = Mutex<(@Sendable () -> Void)?>(nil)

    var generation: Int { current.load(ordering: .acquiring) }
    /// The host to try first.
    var host: Int? { known.withLock(\.host) }

    func onReplacement(_ body: @escaping @Sendable () -> Void) { replaced.withLock { $0 = body } }

    /// Returns the session's generation.
    func admit(_ identity: ServerIdentity?, host: Int) throws(PostgresError) -> Int {
        let admission = change { $0.admit(identity, host: host, now: .now) }
        switch admission {
        case .admitted(let generation): return generation
        case .refused(let reason): throw .unavailable(message: reason, outcomeUnknown: false)
        }
    }

    func closed(generation: Int) { known.withLock { $0.closed(generation: generation) } }

    /// Returns whether the server takes over.
    func observe(_ identity: ServerIdentity, host: Int, isOnly: Bool) -> Bool {
        change { $0.observe(identity, host: host, isOnly: isOnly, now: .now) }
    }

    private func change<Value: Sendable>(_ body: (inout KnownPrimary) -> Value) -> Value {
        let (value, isReplaced) = known.withLock { known in
            let value = body(&known)
            return (value, current.exchange(known.generation, ordering: .acquiringAndReleasing) != known.generation)
        }
        if isReplaced { replaced.withLock(\.self)?() }
        return value
    }
}
