import Glibc

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
