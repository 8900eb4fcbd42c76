import CLinux
import Glibc
import Synchronization

/// Threads that run one function each.
package enum WorkerThread {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Runs `body` on a thread of its own; `false` when the system refuses one. `name` shows in `ps -L`, cut to 15 bytes.
    package static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        let start = Start(name: String(decoding: name.utf8.prefix(15), as: UTF8.self), body: body)
        let argument = Unmanaged.passRetained(start)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                pthread_setname_np(pthread_self(), start.name)
                start.body()
                return nil
            }, argument.toOpaque())
        guard status == 0 else {
            argument.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    /// The processor time of the calling thread so far (CLOCK_THREAD_CPUTIME_ID).
    package static var processorNanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// Counts running threads; `wait` returns when all have ended. A thread leaves as its last act, so nothing that matters runs after that.
package final class ThreadGroup: Sendable {
    package init() {}

    private struct State {
        var running = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Starts a thread in the group; `false` when the system refuses one.
    package func start(name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { $0.running += 1 }
        let isStarted = WorkerThread.start(name: name) {
            body()
            self.leave()
        }
        if !isStarted { leave() }
        return isStarted
    }

    package func wait() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.running > 0 { state.waiters.append(continuation) }
                return state.running == 0
            }
            if isEmpty { continuation.resume() }
        }
    }

    private func leave() {
        let waiters = state.withLock { state in
            state.running -= 1
            guard state.running == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// A counting semaphore (sem_overview(7)): `signal` from any thread, `wait` on one that may block.
final class Semaphore: @unchecked Sendable {
    // `@unchecked`: a sem_t is made for use by several threads; its memory is owned here and does not move.
    private let raw = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() {
        // Fails only for a value above SEM_VALUE_MAX, or when it is shared between processes.
        sem_init(raw, 0, 0)
    }

    deinit {
        sem_destroy(raw)
        raw.deallocate()
    }

    func signal() { sem_post(raw) }

    func wait() {
        while sem_wait(raw) != 0, errno == EINTR {}
    }
}
