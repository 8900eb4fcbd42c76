import Synchronization

/// Frees large memory on a thread of its own: the system takes some milliseconds to take back 15 MiB, which event loops do not have.
/// Thread-safe; never blocks. The thread starts with the first `take`, and ends with this object.
package final class Disposal: Sendable {
    /// Smaller memory is freed in place.
    package static let leastBytes = 64 << 10
    /// Bytes that may wait for the thread; no account counts them any more. Beyond that, memory is freed in place.
    static let limitBytes = 16 << 20

    private let core = Core()

    package init() {}

    deinit { core.end() }

    /// Takes memory to which the caller has the last reference.
    package func take(_ memory: consuming some Sendable, bytes: Int) { core.take([(memory, bytes)], bytes) }

    /// Bytes that wait.
    var waitingBytes: Int { core.waitingBytes }
}

/// Held by the thread, which must not keep the disposal itself alive.
private final class Core: Sendable {
    typealias Entry = (memory: any Sendable, bytes: Int)

    private struct State {
        var waiting: [Entry] = []
        /// Bytes that wait, and those that the thread is freeing.
        var bytes = 0
        var isStarted = false
        var isEnding = false
    }

    private let state = Mutex(State())
    private let work = Semaphore()

    var waitingBytes: Int { state.withLock(\.bytes) }

    func take(_ memory: consuming [Entry], _ bytes: Int) {
        var given = memory
        let (isTaken, mustStart) = state.withLock { state in
            guard bytes <= Disposal.limitBytes - state.bytes else { return (false, false) }
            state.bytes += bytes
            state.waiting += given
            // The thread must have the last reference.
            given = []
            defer { state.isStarted = true }
            return (true, !state.isStarted)
        }
        guard isTaken else { return }
        if mustStart, !WorkerThread.start(name: "disposal", run) {
            // A system that refuses a thread still has this one.
            state.withLock { $0.isStarted = false }
            letGo()
        }
        work.signal()
    }

    private func run() {
        while true {
            work.wait()
            letGo()
            if state.withLock({ $0.isEnding && $0.waiting.isEmpty }) { return }
        }
    }

    /// Frees all that waits, outside the lock.
    private func letGo() {
        var taken: [Entry] = []
        state.withLock { swap(&taken, &$0.waiting) }
        let bytes = taken.reduce(0) { $0 + $1.bytes }
        taken = []
        state.withLock { $0.bytes -= bytes }
    }

    func end() {
        state.withLock { $0.isEnding = true }
        work.signal()
    }
}
