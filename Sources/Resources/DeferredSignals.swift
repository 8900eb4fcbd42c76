import Glibc

/// Wakes a thread. Safe on any thread, and harmless when that thread is awake.
package protocol Signal: AnyObject, Sendable {
    func signal()
}

/// Signals that wait until a piece of work on their thread has ended.
///
/// A read from a socket brings many calls. The first one would wake the thread that takes them; on a busy machine that thread takes the
/// processor at once, sends that one call alone, and is woken again by the next.
package enum DeferredSignals {
    private final class Waiting {
        var isDeferring = false
        var signals: [any Signal] = []

        func signalAll() {
            for signal in signals { signal.signal() }
            signals.removeAll(keepingCapacity: true)
        }
    }

    /// Each thread's own. Nothing else refers to it, so that no other thread touches it.
    private static let key: pthread_key_t? = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { waiting in
            if let waiting { Unmanaged<Waiting>.fromOpaque(waiting).release() }
        }
        return status == 0 ? key : nil
    }()

    private static var current: Waiting? {
        guard let key, let waiting = pthread_getspecific(key) else { return nil }
        return Unmanaged<Waiting>.fromOpaque(waiting).takeUnretainedValue()
    }

    private static func make() -> Waiting? {
        guard let key else { return nil }
        let waiting = Unmanaged.passRetained(Waiting())
        guard pthread_setspecific(key, waiting.toOpaque()) == 0 else {
            waiting.release()
            return nil
        }
        return waiting.takeUnretainedValue()
    }

    /// Runs `body`; what it signals on this thread is signalled at its end. `body` must not wait for the threads that it signals.
    package static func during<Outcome>(_ body: () -> Outcome) -> Outcome {
        guard let waiting = current ?? make(), !waiting.isDeferring else { return body() }
        waiting.isDeferring = true
        defer {
            waiting.isDeferring = false
            waiting.signalAll()
        }
        return body()
    }

    /// Signals at the end of the surrounding `during`, or at once.
    package static func signal(_ signal: some Signal) {
        guard let waiting = current, waiting.isDeferring else { return signal.signal() }
        if !waiting.signals.contains(where: { $0 === signal }) { waiting.signals.append(signal) }
    }
}
