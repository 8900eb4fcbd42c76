import CLibPQ
import Resources
import Synchronization

/// Asks PostgreSQL to cancel what a connection is doing. `PQcancel` opens another connection and blocks until the server has passed the
/// request on, so it runs on a short-lived thread; libpq allows that: a `PGcancel` is independent of its connection (manual, section 34.7).
final class CancelRequest: Sendable {
    private let done = Atomic(false)

    /// Whether the server has passed the request on, or the request failed. From then on it can no longer hit a later statement.
    var isDone: Bool { done.load(ordering: .acquiring) }

    /// `wakeup` is signalled at the end.
    init(_ connection: borrowing Connection, wakeup: Wakeup) {
        guard let handle = PQgetCancel(connection.raw) else {
            done.store(true, ordering: .releasing)
            return
        }
        // Passed as an address, which is `Sendable`: the new thread is its only owner and frees it.
        let address = UInt(bitPattern: handle)
        let isStarted = WorkerThread.start(name: "pg-cancel") {
            let handle = OpaquePointer(bitPattern: address)
            var message = [CChar](repeating: 0, count: 256)
            _ = PQcancel(handle, &message, CInt(message.count))
            PQfreeCancel(handle)
            self.done.store(true, ordering: .releasing)
            wakeup.signal()
        }
        if !isStarted {
            PQfreeCancel(handle)
            done.store(true, ordering: .releasing)
        }
    }
}
