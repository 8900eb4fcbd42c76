import CLibPQ
import Glibc

/// Wakes a thread that waits in poll(2), from any other thread: an eventfd(2).
final class Wakeup: Sendable {
    let descriptor: CInt

    init() throws(PostgresError) {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else {
            throw .unavailable(message: "eventfd: \(String(cString: strerror(errno)))", outcomeUnknown: false)
        }
    }

    deinit { close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        // Fails only when the counter is full, and then the thread wakes anyway.
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Clears the signals that have arrived.
    func consume() {
        var counter: UInt64 = 0
        _ = read(descriptor, &counter, MemoryLayout<UInt64>.size)
    }

    /// What ended a wait.
    struct Events: OptionSet {
        let rawValue: Int
        static let readable = Events(rawValue: 1)
        static let writable = Events(rawValue: 2)
        static let woken = Events(rawValue: 4)
    }

    /// Waits for a signal, for the socket, or until `deadline`. A broken socket counts as readable: reading from it returns the error.
    func wait(socket: CInt = -1, for interest: Events = [], until deadline: ContinuousClock.Instant?) -> Events {
        var events: CInt = 0
        if interest.contains(.readable) { events |= CInt(POLLIN) }
        if interest.contains(.writable) { events |= CInt(POLLOUT) }
        var descriptors = (
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: socket, events: Int16(events), revents: 0)
        )
        let ready = withUnsafeMutableBytes(of: &descriptors) { bytes in
            poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 2, Self.milliseconds(until: deadline))
        }
        guard ready > 0 else { return [] }
        var result: Events = []
        if descriptors.0.revents != 0 {
            consume()
            result.insert(.woken)
        }
        let socketEvents = CInt(descriptors.1.revents)
        if socketEvents & CInt(POLLOUT) != 0 { result.insert(.writable) }
        if socketEvents & ~CInt(POLLOUT) != 0 { result.insert(.readable) }
        return result
    }

    /// Rounded up, so that a wait does not end just before its deadline; -1 waits for ever.
    private static func milliseconds(until deadline: ContinuousClock.Instant?) -> CInt {
        guard let deadline else { return -1 }
        let (seconds, attoseconds) = (deadline - .now).components
        if seconds < 0 || attoseconds < 0 { return 0 }
        return CInt(clamping: min(seconds, 3600) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
