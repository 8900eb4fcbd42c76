import Synchronization

/// Lets go of large memory on a thread of its own: the system takes some milliseconds to take 15 MiB back, which event loops do not have.
/// Safe on any thread; never blocks. The thread starts with the first that comes, and ends with this object.
public final class Disposal: Sendable {
    /// What is smaller is as well let go of where it is.
    public static let leastBytes = 64 << 10
    /// What may wait for the thread; nobody counts it any more. Beyond that memory is let go of where it is.
    static let limitBytes = 16 << 20

    private let core = Core()

    public init() {}

    deinit { core.end() }

    /// Takes what must be nobody else's any more.
    public func take(_ memory: consuming some Sendable, bytes: Int) { core.take([(memory, bytes)], bytes) }

    /// Bytes that wait.
    var waitingBytes: Int { core.waitingBytes }
}

/// What the thread holds, which must not keep the disposal itself.
private final class Core: Sendable {
    typealias Entry = (memory: any Sendable, bytes: Int)

    private struct State {
        var waiting: [Entry] = []
        /// Of those, and of what the thread is at.
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
            // The thread is to be the last that holds it.
            given = []
            defer { state.isStarted = true }
            return (true, !state.isStarted)
        }
        guard isTaken else { return }
        if mustStart, !WorkerThread.start(name: "disposal", run) {
            // A system that refuses threads still has this one.
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

    /// Of all that waits, outside the lock.
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
